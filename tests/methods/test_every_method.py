"""What every built-in method keeps to, in every variant of its preset."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from method_batches import OneRank, generator, on_ranks, pair_batches, rows, scored, total
from torch.testing import assert_close

from harness.registry import load_method
from harness.settings.preset_files import read_preset
from harness.settings.resolve import resolve
from harness.training.checkpoints.checkpoint import check_saveable
from harness.training.outputs import check_output, check_shares
from methods.catalog import BUILTIN

CASES = [
    (method, variant) for method in BUILTIN for variant in read_preset(method, "tiny").variants
]
CASES += [(method, None) for method in BUILTIN]
PAIRS = 4
"""Of a batch, which two and four ranks share equally."""


def of(name, variant, **changes):
    """Return a method, a configuration in which no draw decides, and the first state."""
    method = load_method(name)
    values = resolve(name, "tiny", variant).spec.config
    if "keep" in values:
        changes["keep"] = 1.0
    config = method.config.model_validate({**values, **changes})
    return method, config, method.init_state(config)


def trainable(batch):
    """The batch with policies that take gradients, and these."""
    sides = [
        dataclasses.replace(one, policy=one.policy.clone().requires_grad_())
        for one in (batch.chosen, batch.rejected)
    ]
    return dataclasses.replace(batch, chosen=sides[0], rejected=sides[1]), [
        one.policy for one in sides
    ]


def apart(batch):
    """Lower the policy token by token: no two gaps, and no policy and reference, stay equal.

    A log-ratio of exactly zero has no gradient in IPO as HALOs computes it.
    """

    def lowered(response, step):
        count = response.policy.numel()
        shift = torch.arange(1, 1 + count, dtype=torch.float64) * step
        policy = response.policy - shift.reshape(response.policy.shape)
        return dataclasses.replace(response, policy=policy * scored(response))

    return dataclasses.replace(
        batch,
        chosen=lowered(batch.chosen, 0.1234567),
        rejected=lowered(batch.rejected, 0.0321987),
    )


@pytest.mark.parametrize(("name", "variant"), CASES)
@settings(deadline=None, max_examples=15)
@given(batch=pair_batches(min_pairs=PAIRS, max_pairs=PAIRS))
def test_what_it_gives_back_can_be_trained_on_and_saved(name, variant, batch):
    """Finite gradients in padding zero, weights of one, scalar metrics, a state that survives."""
    method, config, state = of(name, variant)
    batch, policies = trainable(apart(batch))
    output = method.loss(batch, config, state, OneRank())
    check_output(method, output, batch)
    check_shares(method, float(output.weights.sum()))
    check_saveable(name, state, output.state)
    gradients = torch.autograd.grad(total([output]), policies)
    for gradient, side in zip(gradients, (batch.chosen, batch.rejected), strict=True):
        assert gradient.isfinite().all()
        assert (gradient[~scored(side)] == 0).all()


@pytest.mark.parametrize(("name", "variant"), CASES)
@settings(deadline=None, max_examples=15)
@given(batch=pair_batches(min_pairs=PAIRS, max_pairs=PAIRS))
def test_the_cut_of_the_batch_changes_nothing_unless_the_method_says_so(name, variant, batch):
    """Loss, gradients and the next state on two and four ranks are those on one."""
    method, config, state = of(name, variant)
    if config.per_device:
        return
    whole, policies = trainable(apart(batch))
    alone = method.loss(whole, config, state, OneRank())
    expected = torch.autograd.grad(total([alone]), policies)
    for ranks in (2, 4):
        parts = [rows(whole, slice(i, i + PAIRS // ranks)) for i in range(0, PAIRS, PAIRS // ranks)]
        outputs = on_ranks(method.loss, parts, config, state)
        assert_close(total(outputs), total([alone]))
        for own, right in zip(torch.autograd.grad(total(outputs), policies), expected, strict=True):
            assert_close(own, right)
        for output in outputs:
            assert_close(vars(output.state), vars(alone.state))


@pytest.mark.parametrize(("name", "variant"), CASES)
@settings(deadline=None, max_examples=10)
@given(batch=pair_batches(min_pairs=PAIRS, max_pairs=PAIRS))
def test_the_order_of_the_pairs_decides_nothing(name, variant, batch):
    """Not where a draw falls on other pairs: `of` leaves none."""
    method, config, state = of(name, variant)
    batch = apart(batch)
    turned = rows(batch, [2, 0, 3, 1])
    losses = [total([method.loss(one, config, state, OneRank())]) for one in (batch, turned)]
    assert_close(*losses)


@pytest.mark.parametrize(("name", "variant"), CASES)
@settings(deadline=None, max_examples=10)
@given(batch=pair_batches(min_pairs=PAIRS, max_pairs=PAIRS))
def test_equal_steps_give_equal_numbers_and_evaluation_leaves_the_state(name, variant, batch):
    """No randomness but that of the step: the global generator neither matters nor moves."""
    method, config, state = of(name, variant)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = method.loss(batch, config, state, OneRank(shared_rng=generator(3)))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = method.loss(batch, config, state, OneRank(shared_rng=generator(3)))
    assert_close(first.losses, second.losses, rtol=0, atol=0, equal_nan=True)
    evaluated = method.loss(batch, config, state, OneRank(training=False))
    assert_close(vars(evaluated.state), vars(state), rtol=0, atol=0)


def test_methods_whose_numbers_hang_on_the_devices_say_so():
    says = {(name, variant) for name, variant in CASES if of(name, variant)[1].per_device}
    assert {
        ("dama", "released"),
        ("aot", "trl"),
        ("mpo", "released"),
        ("mm_dpo", "released"),
    } < says
    assert not any(variant is None for _, variant in says)
