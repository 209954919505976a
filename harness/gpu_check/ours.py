"""The product's own step: its loop, passes and engine, with every method and checkpointing."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.costs.memory import Setting, checkpointed_layers, memory
from harness.costs.shapes import Shape
from harness.errors import ConfigError
from harness.gpu_check.engines import SAID, EngineName, engine, processes
from harness.gpu_check.made import collator, load_of, made_model
from harness.gpu_check.rows import Measured
from harness.gpu_check.timing import forget_peak, peak_bytes, timed
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.settings.spec import TrainingSpec
from harness.training.fitting import checkpoint_layers
from harness.training.loop import Loop
from harness.training.precomputed.reference import ReferenceLogps, ensure_reference
from harness.training.process import Progress
from harness.training.step.batches import Batches
from harness.training.step.policy import Policy, VisionTower
from harness.training.step.schedule import DataOrder, LearningRate
from harness.training.watch import Watch

METHODS = ("dpo", "rlhf_v", "dama")


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    pairs: tuple[int, ...] = (1, 2, 4, 8)
    warmup: int = 5
    steps: int = 20


def training_spec(pairs: int, attention: str) -> TrainingSpec:
    """Return the settings of a run on one device."""
    return TrainingSpec.model_validate(
        {
            "learning_rate": 1e-6,
            "warmup_ratio": 0,
            "epochs": 1,
            "batch_pairs": pairs,
            "precision": "bfloat16",
            "zero_stage": 1,
            "attention": attention,
        }
    )


class Ours:
    """One model and one engine for all that is measured.

    Args:
        shape: The model's sizes.
        device: Where it is trained.
        attention: A name that `training.attention` knows, but `auto`.
        name: The engine.
        amounts: What will be asked for.
        folder: For files that are gone afterwards.
    """

    def __init__(
        self,
        shape: Shape,
        device: torch.device,
        attention: str,
        name: EngineName,
        amounts: Amounts,
        folder: Path,
    ) -> None:
        self._shape, self._device, self._folder = shape, device, folder
        self._attention, self._name, self._amounts = attention, name, amounts
        self._here = processes(name, device)
        model = made_model(shape, device, torch.bfloat16)
        self._tower = VisionTower(model, device)
        self._policy = Policy(model, None, f"packed_{attention}").train()
        most = max(amounts.pairs)
        self._reference = self._referred(most)
        spec = training_spec(most, attention)
        self._engine = engine(name, self._policy, spec, self._here, folder)

    def rows(self, memory_bytes: int) -> Iterator[Measured]:
        """Measure every method, number of pairs and checkpointing."""
        for pairs in self._amounts.pairs:
            for again, said in self._checkpointing(pairs, memory_bytes).items():
                self._use(again)
                for method in METHODS:
                    yield self._measured(method, pairs, again, said)

    def close(self) -> None:
        """Leave the process group."""
        self._here.close()

    def _checkpointing(self, pairs: int, memory_bytes: int) -> dict[int, str]:
        """Return numbers of layers that are run again, each with the settings that ask for it."""
        layers = self._shape.layers
        try:
            auto = checkpointed_layers(
                self._shape, self._setting(pairs), load_of(self._shape, pairs), memory_bytes
            )
        except ConfigError:
            auto = layers
        wanted: dict[int, list[str]] = {}
        for said, again in (("off", 0), ("auto", auto), ("on", layers)):
            wanted.setdefault(again, []).append(said)
        return {again: ", ".join(said) for again, said in wanted.items()}

    def _use(self, again: int) -> None:
        checkpoint_layers(self._policy.language_model, self._shape.layers, reentrant=False)
        for i, layer in enumerate(self._policy.language_model.layers):
            layer.gradient_checkpointing = i < again

    def _measured(self, method: str, pairs: int, again: int, said: str) -> Measured:
        loop = self._loop(method, pairs)
        row = Measured(
            step=method,
            engine=SAID[self._name],
            pairs=pairs,
            positions=0,
            seconds=(),
            checkpointing=said,
            layers_run_again=again,
            planned_bytes=self._planned(pairs, again),
        )
        try:
            return self._run(loop, row)
        except torch.OutOfMemoryError:
            self._policy.zero_grad()
            torch.cuda.empty_cache()
            return replace(row, fault="out of memory")

    def _run(self, loop: Loop[Any, Any], row: Measured) -> Measured:
        state: Any = loop.method.init_state(loop.config)
        seconds: list[float] = []
        losses: list[float] = []
        positions = 0

        for number, passes, _ in loop.batches.after(0):
            if number == self._amounts.warmup:
                forget_peak(self._device)
            kept: list[Any] = []
            taken = timed(lambda: kept.append(loop.step(number, passes, state)), self._device)  # noqa: B023
            output, _report = kept[0]
            state = output.state
            losses.append(float((output.weights * output.losses).sum().detach()))
            positions = sum(one.packed.positions for one in passes)
            if number >= self._amounts.warmup:
                seconds.append(taken)
        return replace(
            row,
            seconds=tuple(seconds),
            positions=positions,
            peak_bytes=peak_bytes(self._device),
            loss=losses[0],
        )

    def _loop(self, name: str, pairs: int) -> Loop[Any, Any]:
        method = load_method(name)
        # Of one pair DAMA's filter would leave none.
        alone = name == "dama" and pairs == 1
        config = method.config.model_validate({"keep": 1.0} if alone else {})
        amounts = self._amounts
        order = DataOrder(pairs, pairs, amounts.warmup + amounts.steps, False, 0)
        return Loop(
            method=method,
            config=config,
            engine=self._engine,
            features=lambda tokens: self._tower.features(tokens.images),
            reference=self._reference if method.needs_reference else None,
            batches=Batches(
                order=order,
                collate=collator(self._shape, pairs, method.segments(config)),
                size=lambda row: 0,
                pairs_per_pass=None,
                tokens_per_pass=None,
                processes=self._here,
            ),
            rate=LearningRate(1e-6, 0, order.total_steps, "constant"),
            seed=0,
            save_every=order.total_steps + 1,
            processes=self._here,
            watch=Watch(
                order=order,
                pair_id=str,
                limit=None,
                patience=1,
                flops=None,
                run=RunDir(self._folder),
                progress=Progress(self._folder / "progress.jsonl", rank=0),
                processes=self._here,
            ),
            stop_asked=lambda: False,
        )

    def _referred(self, pairs: int) -> ReferenceLogps:
        """Return the log-probabilities of the model as it is made."""
        collate = collator(self._shape, pairs)

        @torch.no_grad()
        def logps(rows: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
            tokens = collate(rows).to(self._device)
            found = self._policy(tokens, self._tower.features(tokens.images))
            return [
                (found.chosen[i][tokens.chosen.mask[i]], found.rejected[i][tokens.rejected.mask[i]])
                for i in range(len(rows))
            ]

        folder = Path(tempfile.mkdtemp(dir=self._folder))
        return ensure_reference(folder, pairs, 1, logps, self._here)

    def _setting(self, pairs: int) -> Setting:
        """Return what is planned.

        Without DeepSpeed there are neither buckets nor flat gradients, as under ZeRO-0, but
        float32 copies as under the others.
        """
        training = training_spec(pairs, self._attention)
        setting = Setting(training, on_cpu=self._device.type == "cpu")
        return setting if self._name == "deepspeed" else setting.changed(zero_stage=0)

    def _planned(self, pairs: int, again: int) -> int:
        found = memory(self._shape, self._setting(pairs), load_of(self._shape, pairs), again)
        return found.total - (found.optimizer if self._name == "none" else 0)
