"""Time of one loss, forward and backward, on 16 pairs of 128 tokens."""

import math

import pytest
import torch

from harness.registry import load_method
from harness.settings.resolve import resolve
from harness.training.contract.ranks import OneRank
from methods.types import PairBatch, ResponseLogps

PAIRS, TOKENS = 16, 128


def response(policy, generator):
    """A response whose reference is the policy itself, with about a third of it changed."""
    mask = torch.ones(PAIRS, TOKENS, dtype=torch.bool)
    changed = torch.rand(PAIRS, TOKENS, generator=generator) < 1 / 3
    return ResponseLogps(policy, policy.detach().clone(), mask, changed)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logps = [-5 * torch.rand(PAIRS, TOKENS, generator=generator) for _ in range(2)]
    chosen, rejected = (response(values.requires_grad_(), generator) for values in logps)
    clip_gap = torch.randn(PAIRS, generator=generator)
    columns = {"clip_gap": clip_gap, "clip_gap_mean": clip_gap.mean().expand(PAIRS)}
    return PairBatch(chosen, rejected, columns)


@pytest.mark.parametrize("name", ["dpo", "rlhf_v", "dama"])
def test_loss(benchmark, batch, name):
    """At the reference it is log 2, and falls where chosen rises and rejected falls."""
    method = load_method(name)
    config = method.config.model_validate(resolve(name, "tiny").spec.config)
    leaves = (batch.chosen.policy, batch.rejected.policy)

    def forward_and_backward():
        output = method.loss(batch, config, method.init_state(config), OneRank())
        total = (output.weights * output.losses).sum()
        return total, torch.autograd.grad(total, leaves)

    total, (chosen, rejected) = benchmark(forward_and_backward)
    assert total.item() == pytest.approx(math.log(2), rel=1e-5)
    assert bool((chosen < 0).all())
    assert bool((rejected > 0).all())
