"""Whether a device computes the same numbers by all ways: before anything is timed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from harness.costs.shapes import Shape
from harness.errors import TrainingError
from harness.gpu_check.made import (
    PAD,
    TINY,
    MadeImages,
    collator,
    made_model,
    made_pairs,
    plain_again,
)
from harness.gpu_check.steps.plain import plain_logps, two_rows
from harness.training.attention.choose import relative_errors
from harness.training.exactness import MISSING, TOLERANCE, Errors
from harness.training.kernels.choose import PLAIN, Kernels
from harness.training.kernels.choose import relative_errors as operations_errors
from harness.training.step.policy import Policy, VisionTower

PAIRS = 3
LAYER_BOUND = 3e-2
"""Of the projector's gradient. Rounding makes 0.006 of it, an ancestor that one of the responses
does not see 0.15; log-probabilities of random weights would hardly tell."""
_SHOWN = 120
Row = dict[str, Any]


def check(
    shape: Shape, device: torch.device, attentions: Sequence[str], operations: Sequence[str]
) -> list[Row]:
    """Compare kernels on made numbers, and attentions in a small model and in one layer as well.

    A row's `error` is None where a kernel is missing here, and `exact` tells of the others.
    """
    with exact_float32():
        rows = [
            _compared(what, name, device, dtype, errors)
            for what, names, errors in (
                ("attention and its gradients", attentions, relative_errors),
                ("small operations and their gradients", operations, operations_errors),
            )
            for name in names
            for dtype in _DTYPES
        ]
        there = [name for name in attentions if _runs(rows, name, torch.float32)]
        rows += [row for name in there for row in _small(name, device)]
        there = [name for name in attentions if _runs(rows, name, torch.bfloat16)]
        if there:
            rows += _one_layer(replace(shape, layers=1), there, device)
    return [judged(row) for row in rows]


def judged(row: Row) -> Row:
    """Say whether a row's error is within its bound."""
    # Not `>`: an error that is no number is one too.
    return row | {"exact": None if row["error"] is None else row["error"] <= row["bound"]}


def refuse_wrong(rows: list[Row], used: Kernels) -> None:
    """Refuse to measure what computes something else.

    Raises:
        TrainingError: What would be used, or what it is compared with, is wrong.
    """
    trusted = {used.attention.removeprefix("packed_"), used.decoder, "segments"}
    wrong = [
        f"{row['what']}, {row['kernel']}, {row['dtype']}: {row['error']:.1e} instead of at most "
        f"{row['bound']:.0e}"
        for row in rows
        if row["exact"] is False and row["kernel"] in trusted
    ]
    if wrong:
        raise TrainingError(
            f"This device does not compute the same by all ways: {'; '.join(wrong)}. Nothing was "
            "measured. Other kernels: --attention segments, --kernels torch."
        )


@contextmanager
def exact_float32() -> Iterator[None]:
    """Let products and convolutions of float32 numbers be just that, and not TF32."""
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = False
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


_DTYPES = (torch.float32, torch.bfloat16)


def _runs(rows: list[Row], name: str, dtype: torch.dtype) -> bool:
    return any(
        row["kernel"] == name and row["dtype"] == _said(dtype) and row["error"] is not None
        for row in rows
    )


def _compared(
    what: str, name: str, device: torch.device, dtype: torch.dtype, errors: Errors
) -> Row:
    """Return the largest error of kernels on made numbers, or why there is none."""
    row = _row(what, name, dtype)
    try:
        return row | {"error": max(errors(name, device, dtype).values())}
    except MISSING as error:
        return row | {"missing": shorten(f"{error}" or type(error).__name__, _SHOWN)}


def _small(name: str, device: torch.device) -> list[Row]:
    """A small model in float32 against the plain two-row step."""
    model = made_model(TINY, device, torch.float32)
    pairs, images = made_pairs(TINY, PAIRS), MadeImages(TINY)
    pixels = [images.tensor(image) for one in pairs for image in one.images]
    batch = two_rows(pairs, pixels, PAD).to(device, torch.float32)
    plain = plain_logps(model, batch)
    torch.autograd.backward(plain.sum())
    truth = _projector_gradient(model)
    model.zero_grad()
    ours, _ = _run(model, TINY, name, device)
    errors = {
        "log-probabilities": _relative(ours, plain.detach()),
        "gradient": _relative(_projector_gradient(model), truth),
    }
    return [
        _row(f"{what} against two padded rows", name, torch.float32) | {"error": error}
        for what, error in errors.items()
    ]


def _one_layer(shape: Shape, names: list[str], device: torch.device) -> list[Row]:
    """Gradients of one layer in bfloat16 against those of segments, each computed twice."""
    rows = []
    model = made_model(shape, device, torch.bfloat16)
    truth: Tensor | None = None
    for name in dict.fromkeys(("segments", *names)):
        runs = [_run(model, shape, name, device)[1] for _ in range(2)]
        found = _projector_gradient(model)
        model.zero_grad()
        truth = found if truth is None else truth
        same = all(torch.equal(*both) for both in zip(*runs, strict=True))
        row = _row("gradient of one layer", name, torch.bfloat16)
        row |= {"bound": LAYER_BOUND, "error": _relative(found, truth)}
        rows.append(row | {"gradients_repeat": same})
    return rows


def _run(model: Any, shape: Shape, name: str, device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """Return the summed log-probabilities of all responses, and all gradients of their sum."""
    before = model.model.language_model.config._attn_implementation
    used = Kernels(f"packed_{name}", PLAIN)
    policy, tower = Policy(model, None, used), VisionTower(model, device)
    policy.zero_grad()
    tokens = collator(shape, PAIRS)(range(PAIRS)).to(device)
    logps = policy(tokens, tower.features(tokens.images))
    summed = torch.cat([logps.chosen.sum(1), logps.rejected.sum(1)])
    torch.autograd.backward(summed.sum())
    plain_again(model, before)
    gradients = [weight.grad.clone() for weight in policy.parameters() if weight.grad is not None]
    return summed.detach(), gradients


def _projector_gradient(model: Any) -> Tensor:
    """Return the gradient that has come through all attention."""
    weights = model.model.multi_modal_projector.parameters()
    return torch.cat([weight.grad.flatten().double() for weight in weights])


def _relative(found: Tensor, truth: Tensor) -> float:
    return float((found.double() - truth.double()).norm() / truth.double().norm())


def _row(what: str, name: str, dtype: torch.dtype) -> Row:
    return {
        "what": what,
        "kernel": name,
        "dtype": _said(dtype),
        "error": None,
        "bound": TOLERANCE[dtype],
    }


def _said(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
