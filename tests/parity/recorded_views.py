"""Records of methods that read views: other names of inputs and outputs, and drawn pictures."""

import torch
from compare import Between

from harness.data.rows.image_operations import crop, crop_box

_TIE = 1e-6
MODELS = ("policy", "reference")


def of_views(batch, metrics, gradients):
    """Return what a loss says of its views and of its parts."""
    if not gradients:
        return {}
    found = {
        name.removeprefix("losses/"): values.tolist()
        for name, values in metrics.items()
        if name.startswith("losses/") and values.dim()
    }
    for name, slopes in gradients.items():
        found[f"grad_policy_{name}"] = slopes.squeeze(1).tolist()
        if f"rewards/{name}" in metrics:
            found[f"{name}_rewards"] = metrics[f"rewards/{name}"].tolist()
    if "imageless_chosen" in gradients:
        found["metrics"] = _logged_by_mdpo(batch, metrics)
    return found


def _logged_by_mdpo(batch, metrics):
    chosen, rejected, without = (
        metrics[f"rewards/{name}"] for name in ("chosen", "rejected", "imageless_chosen")
    )

    def share(other):
        lead = (chosen - other) / (1 + chosen.abs())
        return Between(*((lead > least).double().mean().item() for least in (_TIE, -_TIE)))

    sides = {
        "chosen": batch.chosen,
        "rejected": batch.rejected,
        "imageless_chosen": batch.views["imageless_chosen"],
    }
    return {
        "rewards/chosen": chosen.mean().item(),
        "rewards/rejected": rejected.mean().item(),
        "rewards/imageless_chosen": without.mean().item(),
        "rewards/accuracies": share(rejected),
        "rewards/imageless_accuracies": share(without),
        "rewards/margins": (chosen - rejected).mean().item(),
        "rewards/imageless_margins": (chosen - without).mean().item(),
        **{f"logps/{name}": one.policy.sum(1).mean().item() for name, one in sides.items()},
    }


def mdpo_expected(recorded):
    others = {name: value for name, value in recorded.items() if name != "imageless_rewards"}
    if "imageless_rewards" in recorded:
        others["imageless_chosen_rewards"] = recorded["imageless_rewards"]
    return others


def chip_inputs(inputs):
    """Sums under the names that sums have elsewhere."""
    sides = ("chosen", "rejected", "chosen_corrupted")
    sums = {
        f"{model}_{side}_logps": inputs[f"{model}_{side}"] for model in MODELS for side in sides
    }
    others = {name: v for name, v in inputs.items() if not name.startswith(MODELS)}
    return others | sums


SYMMPO = {
    "1_w": "chosen",
    "1_l": "rejected",
    "1_2": "second_answer",
    "2_w": "chosen_on_second",
    "2_2": "second_answer_on_second",
}
"""Picture and response of the record, and the views."""


def symmpo_inputs(inputs):
    sums = {
        f"{model}_{name}_logps": inputs[model][key]
        for model in MODELS
        for key, name in SYMMPO.items()
    }
    return {name: v for name, v in inputs.items() if name not in MODELS} | sums


def symmpo_expected(recorded):
    others = {name: v for name, v in recorded.items() if name not in ("rewards", "grad")}
    for key, name in SYMMPO.items():
        if "rewards" in recorded:
            others[f"{name}_rewards"] = recorded["rewards"][key]
        if "grad" in recorded:
            others[f"grad_policy_{name}"] = recorded["grad"][key]
    return others


def crops(case):
    """The box that a generator draws, and the pixels that come of it."""
    inputs, official = case["inputs"], case["official"]
    seed = inputs["torch_seed"]
    rng = torch.Generator().manual_seed(seed)
    pixels = torch.tensor(inputs["image"]) if "image" in inputs else None
    height, width = pixels.shape[-2:] if pixels is not None else (inputs["height"], inputs["width"])
    found = crop_box(height, width, rng)._asdict()
    if pixels is not None:
        found["image"] = crop(pixels, torch.Generator().manual_seed(seed)).tolist()
    yield "official", official, found


def adapters(adapter):
    """Return how the single steps of these methods are read."""
    return {
        "mdpo": adapter(expected=mdpo_expected),
        "chip": adapter(
            settings=("beta", "tok_beta"),
            config=lambda inputs: {
                "token_weight": 1.0,
                "cross_modal": inputs["use_cross_modal_loss"],
                "token_level": inputs["use_tdpo"],
            },
            renamed=chip_inputs,
            divergence=("chosen_kl", "rejected_kl"),
        ),
        "symmpo": adapter(
            settings=("beta_1", "beta_2", "lamda"),
            config=lambda inputs: {"consistency_of": "log_ratios"},
            renamed=symmpo_inputs,
            expected=symmpo_expected,
            single=True,
        ),
    }
