"""The steps that are compared: one loss on the same pairs, each in its own way.

The released step and TRL's are those of `harness.gpu_check`. Ours is not: there the whole step of a
run is measured, loop, engine and optimizer, and here forward and backward alone, which is all that
TRL's step has, in float32, where the losses of all can be compared.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from unittest import mock

import torch
from plain_step import injected_logps
from step_setting import Pictures, Size, made_policy
from torch import Tensor, nn
from torch.profiler import record_function

from harness.data.rows.batch import PairTokens, TokenizedPair
from harness.data.rows.collate import Collator, no_segments
from harness.gpu_check.made import PAD, made_model
from harness.gpu_check.steps.plain import TwoRows, dpo, plain_logps, two_rows
from harness.gpu_check.steps.trl import TrlStep
from harness.gpu_check.steps.words import made_processor
from harness.training.step.policy import Policy, TokenLogps, VisionTower

LADDER = (
    "released",
    "image through the tower once",
    "logits at responses only",
    "no padding",
    "prompt shared in a pair",
    "here",
)
"""Steps without checkpointing; each does what the one before it does, and one thing more."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Step:
    """Forward and backward of one batch, from pairs to gradients; returns the loss."""

    run: Callable[[], Tensor]
    trained: nn.Module
    positions: int
    """Token positions of one forward pass of the policy, padding included."""


class Setting:
    """What all steps share: the reference, a policy moved away from it, pairs and pictures."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.processor = made_processor(size.shape)
        self.pictures = Pictures(size, self.processor)
        self.pairs = size.made_pairs()
        self.reference = made_model(size.shape, CPU, torch.float32)
        self.policy = made_policy(self.reference)

    def tower(self) -> VisionTower:
        return VisionTower(copy.deepcopy(self.policy), CPU)


def all_steps(setting: Setting) -> dict[str, Step]:
    """Return every step by name."""
    return {**shared_steps(setting), **padded_steps(setting), **trl_steps(setting)}


def shared_steps(setting: Setting) -> dict[str, Step]:
    """Return our step and the rungs that its own parts make."""
    tower = setting.tower()
    policy, before = (
        Policy(copy.deepcopy(model)).train() for model in (setting.policy, setting.reference)
    )
    pairs, count = setting.pairs, len(setting.pairs)
    # A pair of two equal responses is one sequence: all is shared, and predicted once.
    responses = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    lone = [
        replace(pair, row=row, chosen=response, rejected=response)
        for row, (pair, response) in enumerate(zip(pairs * 2, responses, strict=True))
    ]

    def together(model: Policy) -> Tensor:
        tokens = _collated(setting, pairs, range(count))
        with record_function("vision"):
            features = tower.features(tokens.images)
        logps = model(tokens, features)
        return torch.cat([logps.chosen.sum(1), logps.rejected.sum(1)])

    def in_pairs(model: Policy) -> Tensor:
        logps = _one_by_one(setting, tower, model, pairs)
        return torch.cat(
            [one.chosen.sum(1) for one in logps] + [one.rejected.sum(1) for one in logps]
        )

    def unpadded(model: Policy) -> Tensor:
        return torch.cat([one.chosen.sum(1) for one in _one_by_one(setting, tower, model, lone)])

    with torch.no_grad():
        reference = together(before)
    loss = _loss(policy, reference)
    shared, positions = loss(together), _positions(setting, pairs, [range(count)])
    apart = [[row] for row in range(2 * count)]
    return {
        "here": Step(shared, policy, positions),
        "here, checkpointing": Step(checkpointed(policy.language_model, shared), policy, positions),
        "no padding": Step(loss(unpadded), policy, _positions(setting, lone, apart)),
        "prompt shared in a pair": Step(
            loss(in_pairs), policy, _positions(setting, pairs, apart[:count])
        ),
    }


def _one_by_one(
    setting: Setting, tower: VisionTower, policy: Policy, parts: Sequence[TokenizedPair]
) -> list[TokenLogps]:
    """Run every pair in a row of its own; the tower runs once per image of the batch."""
    images = [setting.pictures.tensor(image) for pair in setting.pairs for image in pair.images]
    features = tower.features(torch.stack(images)).split(1)
    return [
        policy(_collated(setting, parts, [part.row]), features[part.row % len(features)])
        for part in parts
    ]


def _positions(
    setting: Setting, pairs: Sequence[TokenizedPair], batches: Sequence[Sequence[int]]
) -> int:
    return sum(_collated(setting, pairs, rows).packed.positions for rows in batches)


def padded_steps(setting: Setting) -> dict[str, Step]:
    """Return the released step and the rungs that pad."""
    llava, before = (copy.deepcopy(model) for model in (setting.policy, setting.reference))
    tower = setting.tower()

    def batch() -> TwoRows:
        images = [setting.pictures.tensor(image) for pair in setting.pairs for image in pair.images]
        return two_rows(setting.pairs, images, PAD)

    def released(model) -> Tensor:
        return plain_logps(model, batch())

    def injected(response_rows_only: bool) -> Callable:
        def logps(model) -> Tensor:
            made = batch()
            features = tower.features(made.pixel_values[: len(setting.pairs)])
            return injected_logps(model, made, features, response_rows_only)

        return logps

    with torch.no_grad():
        reference = released(before)
    loss = _loss(llava.train(), reference)
    plain, positions = loss(released), batch().input_ids.numel()
    return {
        "released": Step(plain, llava, positions),
        "released, checkpointing": Step(
            checkpointed(llava.model.language_model, plain), llava, positions
        ),
        "image through the tower once": Step(loss(injected(False)), llava, positions),
        "logits at responses only": Step(loss(injected(True)), llava, positions),
    }


def trl_steps(setting: Setting) -> dict[str, Step]:
    """Return TRL's step by its defaults, without checkpointing, and on its way for GPUs.

    TRL trains the vision tower, and on a CPU its head makes logits at every position; on a GPU it
    selects the positions of the responses first. `compact` chooses that path on the CPU as well.
    Source: trl 1.16.0, trainer/dpo_trainer.py, trainer/utils.py and kernels/chunked_logprob.py.
    """
    return {
        "TRL, checkpointing": _trl_step(setting),
        "TRL": _trl_step(setting, checkpointing=False, train_tower=False),
        "TRL, checkpointing, compact logits": _trl_step(setting, compact=True),
    }


def _trl_step(
    setting: Setting, checkpointing: bool = True, train_tower: bool = True, compact: bool = False
) -> Step:
    policy, reference = map(copy.deepcopy, (setting.policy, setting.reference))
    policy.model.vision_tower.requires_grad_(train_tower)
    step = TrlStep(
        policy,
        reference,
        setting.pairs,
        setting.pictures.picture,
        setting.processor,
        CPU,
        checkpointing,
    )

    def run() -> Tensor:
        with mock.patch("trl.trainer.utils._use_triton", return_value=compact):
            return step()

    return Step(run, policy, step.batch()["input_ids"].numel())


def checkpointed(module, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Return the step with every layer of a module recomputed in the backward pass."""

    def run() -> Tensor:
        module.gradient_checkpointing_enable({"use_reentrant": False})
        try:
            return step()
        finally:
            module.gradient_checkpointing_disable()

    return run


def _loss(model: nn.Module, reference: Tensor) -> Callable:
    def of(logps: Callable[[nn.Module], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            loss = dpo(logps(model), reference)
            loss.backward()
            return loss.detach()

        return run

    return of


def _collated(setting: Setting, pairs: Sequence[TokenizedPair], rows: Sequence[int]) -> PairTokens:
    with record_function("collate"):
        return Collator(pairs, setting.pictures, no_segments, {}, setting.size.image_id)(rows)
