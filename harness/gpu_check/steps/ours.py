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
from harness.gpu_check.clock import NO_TIME, Clock
from harness.gpu_check.made import collator, load_of, made_model, unfused
from harness.gpu_check.profile import profiled
from harness.gpu_check.steps.engines import SAID, EngineName, engine, processes
from harness.gpu_check.steps.rows import Measured
from harness.gpu_check.timing import forget_peak, peak_bytes, timed
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.settings.spec import TrainingSpec
from harness.training.fitting import checkpoint_layers
from harness.training.kernels.choose import Kernels, fuse
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

    pairs: tuple[int, ...] = (4, 2, 1)
    """In this order."""
    warmup: int = 3
    steps: int = 10


OUT_OF_MEMORY = "out of memory"


def training_spec(pairs: int, used: Kernels) -> TrainingSpec:
    """Return the settings of a run on one device."""
    return TrainingSpec.model_validate(
        {
            "learning_rate": 1e-6,
            "warmup_ratio": 0,
            "epochs": 1,
            "batch_pairs": pairs,
            "precision": "bfloat16",
            "zero_stage": 1,
            "attention": used.attention.removeprefix("packed_"),
            "kernels": used.decoder,
        }
    )


def said(used: Kernels) -> str:
    """Return kernels as a table names them."""
    return f"{used.attention.removeprefix('packed_')}, {used.decoder}"


def run_again(language_model: Any, layers: int) -> None:
    """Let as many layers, the first ones, be run again in backward, and no others."""
    every = len(language_model.layers)
    checkpoint_layers(language_model, every, reentrant=False)
    for i, layer in enumerate(language_model.layers):
        layer.gradient_checkpointing = i < layers


class Ours:
    """One model and one engine for all that is measured.

    Args:
        shape: The model's sizes.
        device: Where it is trained.
        used: Kernels of a run on the device; others can be asked for later.
        name: The engine.
        amounts: What will be asked for.
        folder: For files that are gone afterwards.
    """

    def __init__(
        self,
        shape: Shape,
        device: torch.device,
        used: Kernels,
        name: EngineName,
        amounts: Amounts,
        folder: Path,
    ) -> None:
        self._shape, self._device, self._folder = shape, device, folder
        self._used, self._name, self._amounts = used, name, amounts
        self._here = processes(name, device)
        model = made_model(shape, device, torch.bfloat16)
        self._tower = VisionTower(model, device)
        self._policy = Policy(model, None, used).train()
        most = max(amounts.pairs)
        self._reference = self._referred(most)
        spec = training_spec(most, used)
        self._engine = engine(name, self._policy, spec, self._here, folder)

    def rows(
        self, memory_bytes: int, methods: Sequence[str], used: Kernels, clock: Clock
    ) -> Iterator[Measured]:
        """Measure methods with every number of pairs and checkpointing, by some kernels."""
        self._take(used)
        for pairs in self._amounts.pairs:
            for again, asked in self._checkpointing(pairs, memory_bytes).items():
                for method in methods:
                    yield self._measured(method, pairs, again, asked, clock)

    def profile(self, pairs: int) -> dict[str, Any]:
        """Return where the time of DPO's step goes, without recomputation."""
        run_again(self._policy.language_model, 0)
        loop = self._loop(METHODS[0], pairs)
        number, passes, _ = next(iter(loop.batches.after(0)))
        found = profiled(lambda: loop.step(number, passes, None), self._device)
        return {"step": METHODS[0], "pairs": pairs, "kernels": said(self._used)} | found

    def _take(self, used: Kernels) -> None:
        """Let the policy run by other kernels."""
        unfused(self._policy.language_model)
        self._policy.language_model.config._attn_implementation = used.attention
        fuse(self._policy.language_model, used.decoder)
        self._used = used

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
        for asked, again in (("off", 0), ("auto", auto), ("on", layers)):
            wanted.setdefault(again, []).append(asked)
        return {again: ", ".join(asked) for again, asked in wanted.items()}

    def _measured(
        self, method: str, pairs: int, again: int, checkpointing: str, clock: Clock
    ) -> Measured:
        run_again(self._policy.language_model, again)
        row = Measured(
            step=method,
            engine=SAID[self._name],
            pairs=pairs,
            positions=0,
            seconds=(),
            checkpointing=checkpointing,
            layers_run_again=again,
            kernels=said(self._used),
            planned_bytes=self._planned(pairs, again),
        )
        if clock.over:
            return replace(row, fault=NO_TIME)
        try:
            return self._run(self._loop(method, pairs), row)
        except torch.OutOfMemoryError:
            return replace(row, fault=OUT_OF_MEMORY)
        finally:
            self._policy.zero_grad()
            torch.cuda.empty_cache()

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
        training = training_spec(pairs, self._used)
        setting = Setting(training, on_cpu=self._device.type == "cpu")
        return setting if self._name == "deepspeed" else setting.changed(zero_stage=0)

    def _planned(self, pairs: int, again: int) -> int:
        found = memory(self._shape, self._setting(pairs), load_of(self._shape, pairs), again)
        return found.total - (found.optimizer if self._name == "none" else 0)
