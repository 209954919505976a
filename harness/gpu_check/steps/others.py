"""Steps to measure against: the released code's two padded rows, and TRL's."""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from harness.costs.shapes import Shape
from harness.gpu_check.clock import NO_TIME, Clock
from harness.gpu_check.made import PAD, MadeImages, made_model, made_pairs
from harness.gpu_check.steps.engines import SAID, EngineName, TorchEngine
from harness.gpu_check.steps.ours import OUT_OF_MEMORY, Amounts, run_again
from harness.gpu_check.steps.plain import dpo, plain_logps, two_rows
from harness.gpu_check.steps.rows import Measured
from harness.gpu_check.timing import forget_peak, peak_bytes, timed

PLAIN = "plain two-row step"
TRL = "TRL's DPOTrainer"
_RATE = 1e-6


def plain_rows(
    shape: Shape, device: torch.device, optimizer: bool, amounts: Amounts, clock: Clock
) -> Iterator[Measured]:
    """Measure the released step with DPO's loss, without and with checkpointing of all layers.

    The recipe recomputes, so that comes first.
    """
    model = made_model(shape, device, torch.bfloat16).train()
    engine = TorchEngine(model, _RATE, optimizer)
    name: EngineName = "torch" if optimizer else "none"
    for checkpointing in ("on", "off"):
        layers = shape.layers if checkpointing == "on" else 0
        run_again(model.model.language_model, layers)
        for pairs in amounts.pairs:
            row = Measured(
                step=PLAIN,
                engine=SAID[name],
                pairs=pairs,
                positions=_batch(shape, pairs).input_ids.numel(),
                seconds=(),
                checkpointing=checkpointing,
                layers_run_again=layers,
            )
            step = functools.partial(_plain_step, shape, model, engine, pairs, device)
            yield measured(step, row, amounts, device, clock)
            model.zero_grad()
            torch.cuda.empty_cache()


def _batch(shape: Shape, pairs: int) -> Any:
    images = MadeImages(shape)
    made = made_pairs(shape, pairs)
    return two_rows(made, [images.tensor(image) for one in made for image in one.images], PAD)


def _plain_step(
    shape: Shape, model: Any, engine: TorchEngine, pairs: int, device: torch.device
) -> Callable[[], Tensor]:
    batch = _batch(shape, pairs).to(device, torch.bfloat16)
    with torch.no_grad():
        reference = plain_logps(model, batch)

    def step() -> Tensor:
        loss = dpo(plain_logps(model, batch), reference)
        engine.backward(loss, last=True)
        engine.update(_RATE)
        return loss.detach()

    return step


def measured(
    made: Callable[[], Callable[[], Tensor]],
    row: Measured,
    amounts: Amounts,
    device: torch.device,
    clock: Clock,
) -> Measured:
    """Make a step, warm up, run and time it; a lack of memory or time is a row too."""
    if clock.over:
        return replace(row, fault=NO_TIME)
    seconds: list[float] = []
    losses: list[float] = []
    try:
        step = made()
        for number in range(amounts.warmup + amounts.steps):
            if number == amounts.warmup:
                forget_peak(device)
            taken = timed(lambda: losses.append(float(step())), device)
            if number >= amounts.warmup:
                seconds.append(taken)
    except torch.OutOfMemoryError:
        return replace(row, fault=OUT_OF_MEMORY)
    return replace(row, seconds=tuple(seconds), peak_bytes=peak_bytes(device), loss=losses[0])


def trl_rows(
    shape: Shape, device: torch.device, amounts: Amounts, clock: Clock
) -> Iterator[Measured]:
    """Measure TRL's step with its defaults; one row that says so where TRL is missing."""
    row = Measured(step=TRL, engine=SAID["none"], pairs=0, positions=0, seconds=())
    if any(importlib.util.find_spec(name) is None for name in ("trl", "datasets")):
        yield replace(row, fault="not installed")
        return
    from harness.gpu_check.steps.trl import TrlSteps

    if clock.over:
        yield replace(row, fault=NO_TIME)
        return
    steps = TrlSteps(shape, device)
    for pairs in amounts.pairs:
        step, positions = steps.step(pairs)
        sized = replace(
            row,
            pairs=pairs,
            positions=positions,
            checkpointing="on",
            layers_run_again=shape.layers,
        )
        yield measured(lambda: step, sized, amounts, device, clock)  # noqa: B023
        torch.cuda.empty_cache()
