"""Recorded cases of the published losses, and batches made of their summed log-probabilities."""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from methods.dama import SELECTIONS, DAMAConfig
from methods.types import PairBatch, ResponseLogps

DATA = Path(__file__).parent / "data" / "methods"


@cache
def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


@dataclass
class Rank:
    """A rank whose gather is handed over; alone by default."""

    rank: int = 0
    gather: object = field(default=lambda values: values.detach())
    training: bool = True
    shared_rng: torch.Generator = field(default_factory=torch.Generator)


def one_token(policy, reference):
    """Responses of one token each: the sums are the values."""
    mask = torch.ones(len(policy), 1, dtype=torch.bool)
    return ResponseLogps(policy[:, None], reference[:, None], mask, ~mask)


def dama_batch(inputs, dtype=torch.float32, pairs=slice(None)):
    """A batch of a recorded step; the column is rounded as recorded when that was bfloat16."""

    def given(name):
        return torch.tensor(inputs[name], dtype=dtype)[pairs]

    clip_chosen, clip_rejected = given("clip_chosen_sum"), given("clip_rejected_sum")
    if inputs.get("reference_and_clip_dtype") == "torch.bfloat16":
        clip_chosen, clip_rejected = clip_chosen.bfloat16(), clip_rejected.bfloat16()
    return PairBatch(
        chosen=one_token(given("policy_chosen_logps"), given("reference_chosen_logps")),
        rejected=one_token(given("policy_rejected_logps"), given("reference_rejected_logps")),
        columns={"clip_gap": (clip_chosen - clip_rejected).to(dtype)},
    )


def released_config(beta, selected, *, bfloat16=False):
    """The released code's settings, with a selection rule that replays a recorded draw."""
    SELECTIONS["recorded"] = lambda *_: torch.tensor(selected)
    return DAMAConfig(
        beta=beta,
        selection="recorded",
        model_factor="mean_of_sigmoids",
        mean_update="all",
        drop_unselected=True,
        average="per_rank",
        min_beta=1e-3,
        mean_clip_gap=recorded("dama")["constants"]["mean_delta"],
        reference_dtype="bfloat16" if bfloat16 else "float32",
    )
