"""Cases of RLHF-V's record: changed segments, weighted log-probabilities, dense DPO."""

import torch
from method_cases import Rank

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

SIDES = ("win", "rej")
MODELS = {"policy": "policy", "ref": "reference"}


def places(mask):
    return [place for place, marked in enumerate(mask) if marked]


def responses(case, dtype):
    """Return both responses of a recorded pair, with masks from our own segments."""
    ids = [case[f"{side}_input_ids"][1:] for side in SIDES]
    made = []
    for side, mask in zip(SIDES, changed_tokens(*ids, "released"), strict=True):
        is_response = torch.arange(len(mask)) >= case["prompt_len"] - 1
        policy, reference = (
            (torch.tensor(case[f"{model}_{side}_logp"], dtype=dtype) * is_response)[None]
            for model in MODELS
        )
        changed = (torch.tensor(mask) & is_response)[None]
        made.append(ResponseLogps(policy, reference, is_response[None], changed))
    return made


def _diff(case):
    ids = [case[f"{side}_input_ids"][1:] for side in SIDES]
    marked = [places(mask) for mask in changed_tokens(*ids, "released")]
    names = [f"{side}_modified_positions" for side in SIDES]
    recorded = {name: case[name] for name in names}
    yield "official", recorded, dict(zip(names, marked, strict=True))
    for result in case["results"]:
        for dtype, suffix in ((torch.float32, ""), (torch.float64, "_float64")):
            where = f"official{suffix} gamma {result['gamma']}"
            yield where, result["logp"], _weighted(case, result["gamma"], dtype, suffix)
        yield f"official gamma {result['gamma']}", result["ddpo_loss"], _dense(case, result)


def _weighted(case, gamma, dtype, suffix):
    gamma = torch.tensor(gamma, dtype=torch.float32).item()  # as the record's weights
    found = {}
    for side, one in zip(SIDES, responses(case, dtype), strict=True):
        weights = token_weights(one, gamma)
        for short, model in MODELS.items():
            logps = getattr(one, model)
            found[f"{short}_{side}"] = {
                f"sum{suffix}": weighted_sums(logps, weights).item(),
                f"average{suffix}": weighted_means(logps, weights).item(),
            }
    return found


def _dense(case, result):
    found = {}
    for name in result["ddpo_loss"]:
        reduction, beta = name.split("_beta")
        config = RLHFVConfig(
            beta=float(beta), gamma=result["gamma"], normalise=reduction == "average"
        )
        batch = PairBatch(*responses(case, torch.float32), {})
        found[name] = loss(batch, config, NoState(), Rank()).losses.item()
    return found


def _collator(case):
    """Inside the sequences; what the collator marks in the padding has no log-probability."""
    lengths = {side: case[f"{side}_len"] for side in SIDES}
    whole = [
        [ids[:size] for ids, size in zip(case[f"{side}_input_ids"], lengths[side], strict=True)]
        for side in SIDES
    ]
    masks = changed_in_batch(*whole, "released", case["pad_token_id"])
    for pair, marked in enumerate(masks):
        recorded = case["positions"][pair]
        alone = changed_tokens(*(sides[pair][1:] for sides in whole), "released")
        for side, mask, single in zip(SIDES, marked, alone, strict=True):
            inside = [at for at in recorded[f"{side}_modified"] if at < lengths[side][pair] - 1]
            expected = {
                "modified": inside,
                "without_padding": recorded[f"{side}_modified_without_padding"],
            }
            yield (
                f"official pair {pair} {side}",
                expected,
                {
                    "modified": places(mask),
                    "without_padding": places(single),
                },
            )


def _batch_logps(case):
    logps, mask = torch.tensor(case["per_token_logps"]), torch.tensor(case["labels"])[:, 1:] != -100
    means = ["nan" if mean is None else mean for mean in case["average_log_prob"]]
    recorded = {"log_prob": case["log_prob"], "average_log_prob": means}
    yield (
        "official",
        recorded,
        {
            "log_prob": sequence_sums(logps, mask).tolist(),
            "average_log_prob": sequence_means(logps, mask).tolist(),
        },
    )


KINDS = {"diff_cases": _diff, "collator_cases": _collator, "batch_logps_cases": _batch_logps}
