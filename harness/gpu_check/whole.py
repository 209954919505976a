"""The packed step in bfloat16 beside the plain one, both against float32, at full width.

Rounding makes either differ from the truth. The packed step is right where it differs no more.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.costs.shapes import Shape
from harness.gpu_check.equality import Row, exact_float32, judged
from harness.gpu_check.made import PAD, MadeImages, collator, made_model, made_pairs, plain_again
from harness.gpu_check.steps.ours import run_again
from harness.gpu_check.steps.plain import plain_logps, two_rows
from harness.gpu_check.timing import emptied
from harness.training.kernels.choose import Kernels
from harness.training.step.policy import Policy, VisionTower

PAIRS = 2
AS_GOOD = 1.25
"""How much larger the packed step's error may be than the plain one's: sums run in other orders."""
FEW = 3.0
"""The same of the log-probabilities: four numbers, whose errors vary."""
LOGPS = "log-probabilities"
Found = dict[str, Tensor]


def rows(shape: Shape, device: torch.device, used: Sequence[Kernels]) -> Iterator[Row]:
    """Compare log-probabilities and gradients of all layers; activations are made anew.

    The gradients are those of the projector, which all layers have come through, of the first
    layer's queries and of the last one's MLP.
    """
    model = made_model(shape, device, torch.float32)
    run_again(model.model.language_model, shape.layers)
    model.train()
    with exact_float32():
        truth = _found(model, lambda: _plain(model, shape, device, torch.float32))
    model.to(torch.bfloat16)
    emptied(device)
    plain = _found(model, lambda: _plain(model, shape, device, torch.bfloat16))
    errors = {what: _relative(plain[what], truth[what]) for what in truth}
    yield from (_row(what, "two padded rows", error, error) for what, error in errors.items())
    for kernels in used:
        packed = _found(model, lambda: _packed(model, shape, device, kernels))  # noqa: B023
        name = f"{kernels.attention.removeprefix('packed_')}, {kernels.decoder}"
        for what, plain_error in errors.items():
            bound = (FEW if what == LOGPS else AS_GOOD) * plain_error
            yield _row(what, name, _relative(packed[what], truth[what]), bound)


def _found(model: Any, logps: Callable[[], Tensor]) -> Found:
    """Return log-probabilities and gradients of half their mean difference, chosen first."""
    before = model.model.language_model.config._attn_implementation
    summed = logps()
    chosen, rejected = summed.chunk(2)
    torch.autograd.backward((chosen - rejected).mean() / 2)
    inside = model.model.language_model.layers
    weights = {
        "gradient of the projector": model.model.multi_modal_projector.linear_1.weight,
        "gradient of the first layer": inside[0].self_attn.q_proj.weight,
        "gradient of the last layer": inside[-1].mlp.down_proj.weight,
    }
    found = {what: weight.grad.double().cpu() for what, weight in weights.items()}
    model.zero_grad()
    plain_again(model, before)
    return {LOGPS: summed.detach().double().cpu()} | found


def _plain(model: Any, shape: Shape, device: torch.device, dtype: torch.dtype) -> Tensor:
    pairs, images = made_pairs(shape, PAIRS), MadeImages(shape)
    pixels = [images.tensor(image) for one in pairs for image in one.images]
    return plain_logps(model, two_rows(pairs, pixels, PAD).to(device, dtype))


def _packed(model: Any, shape: Shape, device: torch.device, used: Kernels) -> Tensor:
    policy, tower = Policy(model, None, used).train(), VisionTower(model, device)
    tokens = collator(shape, PAIRS)(range(PAIRS)).to(device)
    logps = policy(tokens, tower.features(tokens.images))
    return torch.cat([logps.chosen.sum(1), logps.rejected.sum(1)])


def _relative(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).norm() / truth.norm())


def _row(what: str, name: str, error: float, bound: float) -> Row:
    return judged(
        {
            "what": f"{what}, all layers, against float32",
            "kernel": name,
            "dtype": "bfloat16",
            "error": error,
            "bound": bound,
        }
    )
