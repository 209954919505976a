"""Records of several steps or ranks, and what reads the cases of every list of a record."""

from dataclasses import dataclass
from functools import partial

import recorded_chip
import recorded_dama
import recorded_rlhf_v
import recorded_views
import torch
from method_cases import Rank
from recorded_methods import ADAPTERS, SIDES, mpo_config, numbers, of_parts, run, steps

from harness.training.step.schedule import in_sorted_batches


@dataclass
class OneOf(Rank):
    """A rank of several, which hold so many pairs together."""

    pairs: int = 0


def mpo_sequence(case):
    """Steps of one rank of several, of which the others' mean rewards are recorded."""
    settings = case["inputs"]
    for key in ("official", "official_float64"):
        state = None
        for i, step in enumerate(case["steps"]):
            inputs = step["inputs"]
            others = numbers(inputs["mean_reward_of_other_ranks"])
            pairs = len(inputs["policy_chosen"])
            everyone = partial(_with_others, others.repeat_interleave(pairs))
            rank = OneOf(0, everyone, pairs=pairs * settings["world_size"])
            values = {"beta": settings["beta"], "average": "per_rank", **mpo_config(settings)}
            ours = run("mpo", ADAPTERS["mpo"], inputs, values, rank=rank, state=state)
            state = ours["state"]
            yield f"{key} step {i}", step[key], ours


def _with_others(others, values):
    return torch.cat([values.detach(), others])


def mm_dpo_ranks(case):
    """One pair per rank; the gaps of all of them are gathered."""
    inputs, official = case["inputs"], case["official"]
    sums = {name: values for name, values in inputs.items() if name.endswith("_logps")}
    gaps = numbers(
        [
            (pc - pr) - (rc - rr)
            for pc, pr, rc, rr in zip(
                *(sums[f"{m}_{s}_logps"] for m in ("policy", "reference") for s in SIDES),
                strict=True,
            )
        ]
    )
    values = {"beta": inputs["beta"], "margin_weight": inputs["ls_factor_weight"], "gamma": 0.0}
    values |= {"beta_from": "drawn_gaps", "average": "per_rank"}
    losses, held = [], inputs["pairs_per_rank"]
    for number in range(inputs["world_size"]):
        own = {n: v[number * held : (number + 1) * held] for n, v in sums.items()}
        rank = OneOf(number, lambda _: gaps, pairs=len(gaps))
        ours = run("mm_dpo", ADAPTERS["mm_dpo"], own, values, official["selected"], rank)
        losses.append(ours["losses"])
    found = {"losses_by_rank": losses, "beta_used": ours["beta_used"]}
    yield "official", of_parts(official), found


def sorted_batches(case):
    """The order of an epoch, by the function that makes it in training."""
    inputs = case["inputs"]
    values, size = numbers(inputs["clip_score_delta"]), inputs["batch_size"] * inputs["world_size"]
    seeded = torch.Generator().manual_seed(inputs["torch_seed"])
    order = in_sorted_batches(values, size, seeded)
    batches = values.argsort().argsort()[order] // size
    found = {"indices": order.tolist()}
    found["permutation_of_megabatches"] = batches.unique_consecutive().tolist()
    yield "official", case["official"], found


KINDS = {
    **{(name, "cases"): partial(steps, name, adapter) for name, adapter in ADAPTERS.items()},
    ("mpo", "sequence_cases"): mpo_sequence,
    ("mm_dpo", "rank_cases"): mm_dpo_ranks,
    ("da_dpo", "sampler_cases"): sorted_batches,
    ("mdpo", "image_cases"): recorded_views.crops,
    ("chip", "end_to_end_cases"): recorded_chip.end_to_end,
    **{("dama", kind): read for kind, read in recorded_dama.KINDS.items()},
    **{("rlhf_v", kind): read for kind, read in recorded_rlhf_v.KINDS.items()},
}
"""What reads the cases of a list, by method and name of the list: yields where, recorded, ours."""
