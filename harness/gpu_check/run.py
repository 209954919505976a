"""The whole check, from an empty device to a table and a file."""

import json
import platform
import re
import tempfile
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from harness.console import messages
from harness.costs.devices import Device
from harness.costs.memory import Setting, memory
from harness.costs.shapes import Shape
from harness.errors import ConfigError, TrainingError
from harness.files.atomic import write_text
from harness.files.faults import require_file
from harness.gpu_check import answers, equality, whole
from harness.gpu_check.ceilings import ceilings
from harness.gpu_check.clock import Clock
from harness.gpu_check.device import kind_of
from harness.gpu_check.made import SIZES, load_of
from harness.gpu_check.report import show
from harness.gpu_check.steps.engines import SAID, EngineName, has_deepspeed
from harness.gpu_check.steps.others import plain_rows, trl_rows
from harness.gpu_check.steps.ours import METHODS, Amounts, Ours, said, training_spec
from harness.gpu_check.steps.rows import Measured
from harness.gpu_check.timing import emptied
from harness.registry import find
from harness.training.attention.choose import FUNCTIONS, AttentionName, use_attention
from harness.training.kernels.choose import OPERATIONS, PLAIN, Kernels, KernelsName, use_kernels

FOLDER = Path("results/perf")
_SHOWN = 200
_PACKAGES = ("torch", "transformers", "deepspeed", "trl", "liger-kernel", "triton")


PARTS = ("ours", "released", "trl", "whole", "answers", "rest")
"""In order of worth; the equality of what a run would use is checked before all."""


@dataclass(frozen=True)
class Wanted:
    """How much is measured, by what, and where it is written."""

    amounts: Amounts
    minutes: float
    """After so many nothing new is begun."""
    attention: AttentionName = "auto"
    kernels: KernelsName = "auto"
    parts: tuple[str, ...] = PARTS
    file: Path | None = None
    """None for one in results/perf named by device, size and layers."""


def run(size: str, layers: int | None, device: torch.device, wanted: Wanted) -> dict[str, Any]:
    """Check a device, measure it, print the tables and write the file.

    What matters most comes first, and the file is written anew after every row: what was measured
    stays, whatever comes next.

    Args:
        size: A name in `SIZES`.
        layers: Decoder layers; None for all.
        device: A GPU, or the CPU.
        wanted: How much is measured, by what, and where it is written.

    Raises:
        ConfigError: There is no such size or part, there are not as many layers, or the file cannot
            be written.
        TrainingError: The device computes something wrong, or a part failed; the others are done.
    """
    shape, kind = _shape(size, layers), kind_of(device)
    messages.print(f"{kind.name}: {size} with {shape.layers} decoder layers", markup=False)
    file = wanted.file or FOLDER / _file_name(kind, size, shape)
    require_file(file, "--json")
    check = _Check(shape, device, kind, wanted, file)
    check.found |= _about(device, kind, size, shape)
    known = {name: getattr(check, name) for name in PARTS}
    parts = [find(name, known, "part") for name in wanted.parts]
    check.begin()
    for part in parts:
        check.tried(part)
    show(check.found)
    messages.print(f"written to {check.file}", markup=False)
    if faults := check.found["faults"]:
        raise TrainingError(f"Parts of the check failed: {'; '.join(faults)}. {file} says where.")
    return check.found


class _Check:
    """The parts of a check in order, and what was found so far."""

    def __init__(
        self, shape: Shape, device: torch.device, kind: Device, wanted: Wanted, file: Path
    ) -> None:
        self.shape, self.device, self.kind, self.wanted = shape, device, kind, wanted
        self.clock = Clock(60 * wanted.minutes)
        self.file = file
        self.found: dict[str, Any] = {
            **{"equality": [], "steps": [], "profiles": [], "generation": []},
            **{"faults": [], "tracebacks": []},
        }

    def tried(self, part: Callable[[], None]) -> None:
        """Run a part; one that fails takes the others no time and nothing away."""
        try:
            part()
        except Exception as error:
            fault = f"{part.__name__}: {type(error).__name__}: {error}"
            messages.print(fault, markup=False)
            self.found["faults"].append(shorten(fault, _SHOWN))
            self._keep("tracebacks", [traceback.format_exc()])
        emptied(self.device)

    def begin(self) -> None:
        """Measure the device itself, and compare every kernel with the plain way."""
        self.found["ceilings"] = ceilings(self.device)
        messages.print("equality first ...")
        dtype = torch.bfloat16
        self.used = Kernels(
            use_attention(self.wanted.attention, self.device, dtype),
            use_kernels(self.wanted.kernels, self.device, dtype),
        )
        names = tuple(dict.fromkeys(("segments", self.used.attention.removeprefix("packed_"))))
        rows = equality.check(self.shape, self.device, names, tuple(OPERATIONS))
        self._keep("equality", rows)
        equality.refuse_wrong(rows, self.used)
        self.found["kernels"] = said(self.used)
        # As in a run: products of bfloat16 numbers are exact in TF32.
        torch.backends.cuda.matmul.allow_tf32 = True

        self.engine = _engine(self.shape, self.kind, self.device, self.used)
        self.found["engine"] = SAID[self.engine]

    def ours(self) -> None:
        """Measure the product's own step by the kernels of a run and by others."""
        amounts, memory_bytes = self.wanted.amounts, self.kind.memory_bytes
        clock = self.clock.part(0.5)
        with tempfile.TemporaryDirectory() as folder:
            ours = Ours(self.shape, self.device, self.used, self.engine, amounts, Path(folder))
            first, *rest = METHODS
            self._steps(ours.rows(memory_bytes, [first], self.used, clock))
            for other in self._others():
                self._profile(ours, clock)
                self._steps(ours.rows(memory_bytes, [first], other, clock.part(0.5)))
            self._profile(ours, clock)
            self._steps(ours.rows(memory_bytes, rest, self.used, clock))
            ours.close()

    def released(self) -> None:
        """Measure the released code's step."""
        optimizer, clock = self.engine != "none", self.clock.part(0.4)
        self._steps(plain_rows(self.shape, self.device, optimizer, self.wanted.amounts, clock))

    def trl(self) -> None:
        """Measure TRL's step."""
        clock = self.clock.part(0.5)
        self._steps(trl_rows(self.shape, self.device, self.wanted.amounts, clock))

    def _others(self) -> list[Kernels]:
        """Return the decoder's other kernels that are exact here, with the same attention."""
        exact = {row["kernel"] for row in self.found["equality"] if row["exact"]}
        names = [PLAIN, *(name for name in OPERATIONS if name in exact)]
        return [Kernels(self.used.attention, name) for name in names if name != self.used.decoder]

    def _profile(self, ours: Ours, clock: Clock) -> None:
        if not clock.over:
            self._keep("profiles", [ours.profile(self.wanted.amounts.pairs[0])])

    def whole(self) -> None:
        """Compare the packed step with the plain one through all layers."""
        if not self.clock.over:
            tried = [self.used, *self._others()]
            self._keep("equality", whole.rows(self.shape, self.device, tried))

    def answers(self) -> None:
        """Measure generated answers."""
        self._keep("generation", answers.rows(self.shape, self.device, self.clock))

    def rest(self) -> None:
        """Compare the attentions that a run would not take."""
        if self.clock.over:
            return
        done = {row["kernel"] for row in self.found["equality"]}
        names = [name for name in FUNCTIONS if name not in done]
        self._keep("equality", equality.check(self.shape, self.device, names, ()))

    def _steps(self, rows: Iterable[Measured]) -> None:
        for row in rows:
            _say(row)
            load = load_of(self.shape, max(row.pairs, 1))
            self._keep("steps", [row.row(self.shape, load, self.kind)])

    def _keep(self, part: str, rows: Iterable[Any]) -> None:
        for row in rows:
            self.found[part].append(row)
            write_text(self.file, json.dumps(self.found, indent=2) + "\n")


def _say(row: Measured) -> None:
    """Say how a step went as soon as it is known."""
    taken = f"{min(row.seconds):.4f} s" if row.seconds else row.fault
    messages.print(
        f"{row.step} {row.kernels}, checkpointing {row.checkpointing}, pairs {row.pairs}: {taken}",
        markup=False,
    )


def _shape(size: str, layers: int | None) -> Shape:
    shape = find(size, SIZES, "size")
    if layers is None:
        return shape
    if not 1 <= layers <= shape.layers:
        raise ConfigError(f"--layers {layers}: {size} has 1 to {shape.layers} decoder layers.")
    return replace(shape, layers=layers)


def _engine(shape: Shape, kind: Device, device: torch.device, used: Kernels) -> EngineName:
    """Return DeepSpeed where it is installed and has room; no optimizer where there is none.

    Torch's AdamW needs less room than ZeRO-1, whose float32 gradients exist all at once.
    """
    if device.type == "cuda" and not _fits(shape, kind, used, stage=1):
        if _fits(shape, kind, used, stage=0):
            messages.print("There is no room for ZeRO-1 on one device: torch's own AdamW.")
            return "torch"
        messages.print("There is no room for an optimizer: forward and backward only.")
        return "none"
    if has_deepspeed():
        return "deepspeed"
    messages.print("DeepSpeed is not installed: torch's own AdamW takes its place.")
    return "torch"


def _fits(shape: Shape, kind: Device, used: Kernels, stage: int) -> bool:
    """Say whether one pair has room when all layers are run again."""
    setting = Setting(training_spec(1, used)).changed(zero_stage=stage)
    return memory(shape, setting, load_of(shape, 1), shape.layers).fits(kind.memory_bytes)


def _about(device: torch.device, kind: Device, size: str, shape: Shape) -> dict[str, Any]:
    return {
        "device": {
            "name": kind.name,
            "type": device.type,
            "memory_bytes": kind.memory_bytes,
            "bf16_flops": kind.bf16_flops,
        },
        "size": size,
        "layers": shape.layers,
        "all_layers": SIZES[size].layers,
        "dtype": "bfloat16",
        "python": platform.python_version(),
        "cuda": torch.version.cuda,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _file_name(kind: Device, size: str, shape: Shape) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", kind.name.lower()).strip("-")
    return f"gpu-{plain}-{size}-layers{shape.layers}.json"
