"""Cases of DAMA's record: single steps by code and by paper, runs of steps, ranks, draws."""

import torch
from method_cases import Rank, dama_batch, released_config

from methods.dama import DAMAConfig, DAMAState, gaussian_draw, loss

MEAN_DELTA = 0.0482190464911681
"""Mean of clip_gap over the authors' data, in the constants of the record."""
_DRAWS = 4000


def _step(inputs, config, dtype, mean=None):
    """Return what one step gives, under the names of the record."""
    batch = dama_batch(inputs, dtype)
    for side in (batch.chosen, batch.rejected):
        side.policy.requires_grad_()
    mean = inputs["running_mean"] if mean is None else mean
    output = loss(batch, config, DAMAState(torch.tensor(mean, dtype=dtype)), Rank())
    total = (output.weights * output.losses).sum()
    total.backward()
    metrics, kept = output.metrics, output.metrics["kept"].tolist()
    found = {
        "mask": kept,
        "selected": [i for i, one in enumerate(kept) if one],
        "gap": metrics["reward_gap"].tolist(),
        "alpha_D": metrics["alpha_d"].tolist(),
        "alpha_M": metrics["alpha_m"].item(),
        "beta_used": metrics["beta"].tolist(),
        "beta_C": metrics["beta"].tolist(),
        "losses": output.losses.tolist(),
        "loss": total.item(),
        "grad_policy_chosen": batch.chosen.policy.grad[:, 0].tolist(),
        "grad_policy_rejected": batch.rejected.policy.grad[:, 0].tolist(),
        "new_running_mean": output.state.gap_mean.item(),
    }
    return found, output


def _cases(case):
    inputs, official = case["inputs"], case["official"]
    bfloat16 = inputs["reference_and_clip_dtype"] == "torch.bfloat16"
    config = released_config(inputs["beta"], official["selected"], bfloat16=bfloat16)
    # Indices may repeat where they were drawn from nothing; the mask says which pairs are kept.
    drawn = {name: value for name, value in official.items() if name != "selected"}
    yield "official", drawn, _step(inputs, config, torch.float32)[0]
    if "reference_float64" in case:
        ours = _step(inputs, config, torch.float64)[0]
        yield "reference_float64", case["reference_float64"], ours
    if "paper" in case:
        yield from _paper(case)


def _paper(case):
    recorded = {name.removeprefix("paper_"): value for name, value in case["paper"].items()}
    recorded["selected"] = sorted(recorded["selected"])
    for drop, name in ((False, "loss_mean_all"), (True, "loss_mean_kept")):
        config = DAMAConfig(
            beta=case["inputs"]["beta"], mean_clip_gap=MEAN_DELTA, drop_unselected=drop
        )
        ours, _ = _step(case["inputs"], config, torch.float64)
        slopes = ("grad_policy_chosen", "grad_policy_rejected")
        ours = {key: value for key, value in ours.items() if key not in slopes}
        yield "paper", {**recorded, "loss": recorded[name]}, ours


def _sequences(case):
    mean = 0.0
    for i, step in enumerate(case["steps"]):
        config = released_config(case["beta"], step["selected"])
        config = config.model_copy(update={"momentum": case["gamma"]})
        ours, output = _step(step["inputs"], config, torch.float32, mean)
        ours["running_mean_before"], mean = mean, output.state.gap_mean.item()
        ours["running_mean_after"] = mean
        del ours["selected"]
        yield f"official step {i}", step, ours


def _ranks(case):
    inputs, ranks = case["inputs"], len(case["per_rank"])
    batch = dama_batch(inputs)
    gaps = (batch.chosen.policy - batch.rejected.policy)[:, 0]
    gaps = gaps - (batch.chosen.reference - batch.rejected.reference)[:, 0]
    selected = [i for i, one in enumerate(case["mask"]) if one]
    config, local = released_config(inputs["beta"], selected), len(gaps) // ranks
    found = {"losses": [], "beta_used": [], "weights": [], "per_rank": []}
    for rank in range(ranks):
        own = dama_batch(inputs, pairs=slice(rank * local, (rank + 1) * local))
        state = DAMAState(torch.tensor(inputs["running_mean"]))
        output = loss(own, config, state, Rank(rank, lambda _: gaps))
        found["losses"] += output.losses.tolist()
        found["beta_used"] += output.metrics["beta"].tolist()
        found["weights"] += output.weights.tolist()
        total = (output.weights * output.losses).sum().item() * ranks
        found["per_rank"].append({"loss": total})
    found["effective_sample_weight_after_gradient_averaging"] = found["weights"]
    found["ddp_mean_loss"] = sum(one["loss"] for one in found["per_rank"]) / ranks
    whole = config.model_copy(update={"average": "global"})
    found["global_masked_mean"] = _step(inputs, whole, torch.float32)[0]["loss"]
    yield "official", case, found


def _inclusion(case):
    """How often each pair is drawn, in units of four standard errors of so many draws."""
    rng = torch.Generator().manual_seed(11)
    gaps, mean = torch.tensor(case["gap"]), torch.tensor(case["running_mean"])
    counts = torch.zeros(case["N"])
    for _ in range(_DRAWS):
        counts[gaussian_draw(gaps, mean, case["K"], rng)] += 1
    exact = torch.tensor(case["exact_inclusion_probability"])
    error = 4 * (exact * (1 - exact) / _DRAWS).sqrt()
    off = ((counts / _DRAWS - exact).abs() > error).int().tolist()
    yield (
        "official",
        {"pairs drawn too often or too rarely": 0},
        {"pairs drawn too often or too rarely": off},
    )


KINDS = {
    "cases": _cases,
    "sequences": _sequences,
    "rank_cases": _ranks,
    "inclusion_cases": _inclusion,
}
