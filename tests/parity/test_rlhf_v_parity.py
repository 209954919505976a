"""Segments and dense DPO against outputs of RLHF-V/RLAIF-V's own functions."""

import pytest
import torch
from method_cases import Rank, recorded

from methods.logps import (
    sequence_means,
    sequence_sums,
    token_weights,
    weighted_means,
    weighted_sums,
)
from methods.rlhf_v import RLHFVConfig, loss
from methods.segments import changed_in_batch, changed_tokens
from methods.types import NoState, PairBatch, ResponseLogps

GOLDEN = recorded("rlhf_v")
SIDES = {"win": "chosen", "rej": "rejected"}


def named(cases):
    return [pytest.param(case, id=case["id"]) for case in cases]


def places(mask):
    return [place for place, marked in enumerate(mask) if marked]


def responses(case, dtype):
    """Chosen and rejected of a recorded pair, with masks from our own segments."""
    ids = [case[f"{side}_input_ids"][1:] for side in SIDES]
    changed = dict(zip(SIDES, changed_tokens(*ids, "released"), strict=True))
    sides = {}
    for side, mask in changed.items():
        is_response = torch.arange(len(mask)) >= case["prompt_len"] - 1
        sides[side] = ResponseLogps(
            policy=(torch.tensor(case[f"policy_{side}_logp"], dtype=dtype) * is_response)[None],
            reference=(torch.tensor(case[f"ref_{side}_logp"], dtype=dtype) * is_response)[None],
            mask=is_response[None],
            changed=(torch.tensor(mask) & is_response)[None],
        )
    return sides


@pytest.mark.parametrize("case", named(GOLDEN["diff_cases"]))
def test_changed_positions_are_the_released_ones(case):
    ids = [case[f"{side}_input_ids"][1:] for side in SIDES]
    marked = [places(mask) for mask in changed_tokens(*ids, "released")]
    assert marked == [case["win_modified_positions"], case["rej_modified_positions"]]


@pytest.mark.parametrize("case", named(GOLDEN["diff_cases"]))
@pytest.mark.parametrize(
    ("dtype", "suffix", "rel"), [("float32", "", 1e-5), ("float64", "_float64", 1e-9)]
)
def test_weighted_logps_are_the_released_ones(case, dtype, suffix, rel):
    sides = responses(case, getattr(torch, dtype))
    for result in case["results"]:
        gamma = torch.tensor(result["gamma"], dtype=torch.float32).item()  # as the record's weights
        for name, expected in result["logp"].items():
            who, side = name.split("_")
            one = sides[side]
            logps = one.policy if who == "policy" else one.reference
            weights = token_weights(one, gamma)
            assert weighted_sums(logps, weights).item() == pytest.approx(
                expected[f"sum{suffix}"], rel=rel
            )
            assert weighted_means(logps, weights).item() == pytest.approx(
                expected[f"average{suffix}"], rel=rel
            )


@pytest.mark.parametrize("case", named(GOLDEN["diff_cases"]))
def test_dense_dpo_losses_are_the_released_ones(case):
    sides = responses(case, torch.float32)
    batch = PairBatch(sides["win"], sides["rej"], {})
    for result in case["results"]:
        for name, expected in result["ddpo_loss"].items():
            reduction, beta = name.split("_beta")
            config = RLHFVConfig(
                beta=float(beta), gamma=result["gamma"], normalise=reduction == "average"
            )
            output = loss(batch, config, NoState(), Rank())
            assert output.losses.tolist() == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("case", named(GOLDEN["collator_cases"]))
def test_a_padded_batch_marks_what_the_released_collator_marks(case):
    """Inside the sequences; what the collator marks in the padding has no log-probability."""
    whole = [
        [
            ids[:size]
            for ids, size in zip(case[f"{side}_input_ids"], case[f"{side}_len"], strict=True)
        ]
        for side in SIDES
    ]
    masks = changed_in_batch(*whole, "released", case["pad_token_id"])
    for pair, marked in enumerate(masks):
        for side, mask in zip(SIDES, marked, strict=True):
            expected = case["positions"][pair][f"{side}_modified"]
            assert places(mask) == [at for at in expected if at < case[f"{side}_len"][pair] - 1]


@pytest.mark.parametrize("case", named(GOLDEN["collator_cases"]))
def test_without_padding_the_marks_are_those_of_the_pair_alone(case):
    for pair, positions in enumerate(case["positions"]):
        ids = [case[f"{side}_input_ids"][pair][1 : case[f"{side}_len"][pair]] for side in SIDES]
        for side, mask in zip(SIDES, changed_tokens(*ids, "released"), strict=True):
            assert places(mask) == positions[f"{side}_modified_without_padding"]


@pytest.mark.parametrize("case", named(GOLDEN["batch_logps_cases"]))
def test_sums_and_means_are_the_released_ones(case):
    logps = torch.tensor(case["per_token_logps"])
    mask = torch.tensor(case["labels"])[:, 1:] != -100
    assert sequence_sums(logps, mask).tolist() == pytest.approx(case["log_prob"], rel=1e-5)
    means = [float("nan") if mean is None else mean for mean in case["average_log_prob"]]
    assert sequence_means(logps, mask).tolist() == pytest.approx(means, rel=1e-5, nan_ok=True)
