"""HSA-DPO against numbers by hand."""

import math
from dataclasses import replace

import pytest
import torch
from method_batches import sums

from harness.training.contract.ranks import OneRank
from methods.types import NoState
from methods.with_reference.hsa_dpo import HSADPOConfig, loss

CHOSEN, REJECTED, SEVERITY = [2.0, -1.0, 1.0], [-1.0, 0.5, 3.0], [3.0, 2.0, 0.0]
"""Log-ratios, for the reference says 0 of all."""
GAPS = [5.0, -2.0, 1.0]
"""2 - 3 * -1; -1 - 2 * 0.5; 1 - 0 * 3."""


def batch():
    severity = torch.tensor(SEVERITY, dtype=torch.float64)
    return replace(sums(CHOSEN, REJECTED), columns={"severity": severity})


def softplus(number):
    return math.log1p(math.exp(number))


def test_the_rejected_response_counts_by_its_severity():
    found = loss(batch(), HSADPOConfig(beta=0.1), NoState(), OneRank())
    assert found.losses.tolist() == pytest.approx([softplus(-0.1 * gap) for gap in GAPS])
    assert found.metrics["reward_gap"].tolist() == pytest.approx([0.3, -0.15, -0.2])


def test_without_it_is_dpo():
    config = HSADPOConfig(beta=0.1, weigh_rejected=False)
    plain = [one - other for one, other in zip(CHOSEN, REJECTED, strict=True)]
    found = loss(batch(), config, NoState(), OneRank())
    assert found.losses.tolist() == pytest.approx([softplus(-0.1 * gap) for gap in plain])
