"""The whole check, from an empty device to a table and a file."""

import gc
import json
import platform
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from harness.console import messages
from harness.costs.devices import Device
from harness.costs.memory import Setting, memory
from harness.costs.shapes import Shape
from harness.errors import ConfigError
from harness.files.atomic import write_text
from harness.gpu_check import answers, equality
from harness.gpu_check.device import kind_of
from harness.gpu_check.engines import SAID, EngineName, has_deepspeed
from harness.gpu_check.made import SIZES, load_of
from harness.gpu_check.other_steps import plain_rows, trl_rows
from harness.gpu_check.ours import Amounts, Ours, training_spec
from harness.gpu_check.report import show
from harness.gpu_check.rows import Measured
from harness.registry import find
from harness.training.attention.choose import use_attention

FOLDER = Path("results/perf")
_TOKENS = 64
_PACKAGES = ("torch", "transformers", "deepspeed", "trl")


def run(
    size: str, layers: int | None, device: torch.device, amounts: Amounts, file: Path | None
) -> dict[str, Any]:
    """Check a device, measure it, print the tables and write the file.

    Args:
        size: A name in `SIZES`.
        layers: Decoder layers; None for all.
        device: A GPU, or the CPU.
        amounts: How much is measured.
        file: Gets JSON; None for one in results/perf named by device, size and layers.

    Raises:
        ConfigError: There is no such size, or not as many layers.
        TrainingError: The device computes something wrong.
    """
    shape, kind = _shape(size, layers), kind_of(device)
    messages.print(f"{kind.name}: {size} with {shape.layers} decoder layers", markup=False)
    found = _about(device, kind, size, shape) | _trusted(shape, device)
    # As in a run: products of bfloat16 numbers are exact in TF32.
    torch.backends.cuda.matmul.allow_tf32 = True
    attention = found["attention"]
    name = _engine(shape, kind, device, attention)
    found["engine"] = SAID[name]
    tokens = _TOKENS if device.type == "cuda" else 4
    found["generation"] = list(answers.rows(shape, device, tokens))
    _emptied(device)
    found["steps"] = []
    target = file or FOLDER / _file_name(kind, size, shape)
    for row in _steps(shape, device, kind, attention, name, amounts):
        _say(row)
        found["steps"].append(row.row(shape, load_of(shape, max(row.pairs, 1)), kind))
        # At once: what was measured stays, whatever comes next.
        write_text(target, json.dumps(found, indent=2) + "\n")
    show(found)
    messages.print(f"written to {target}", markup=False)
    return found


def _trusted(shape: Shape, device: torch.device) -> dict[str, Any]:
    """Return what equality was found, and the attention of a run."""
    messages.print("equality first ...")
    rows = equality.check(shape, device)
    _emptied(device)
    attention = use_attention("auto", device, torch.bfloat16).removeprefix("packed_")
    equality.refuse_wrong(rows, attention)
    return {"equality": rows, "attention": attention}


def _steps(
    shape: Shape,
    device: torch.device,
    kind: Device,
    attention: str,
    name: EngineName,
    amounts: Amounts,
) -> Iterator[Measured]:
    yield from plain_rows(shape, device, name != "none", amounts)
    _emptied(device)
    yield from trl_rows(shape, device, amounts)
    _emptied(device)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(shape, device, attention, name, amounts, Path(folder))
        yield from ours.rows(kind.memory_bytes)
        ours.close()


def _say(row: Measured) -> None:
    """Say how a step went as soon as it is known."""
    taken = f"{min(row.seconds):.4f} s" if row.seconds else row.fault
    messages.print(
        f"{row.step}, checkpointing {row.checkpointing}, pairs {row.pairs}: {taken}", markup=False
    )


def _shape(size: str, layers: int | None) -> Shape:
    shape = find(size, SIZES, "size")
    if layers is None:
        return shape
    if not 1 <= layers <= shape.layers:
        raise ConfigError(f"--layers {layers}: {size} has 1 to {shape.layers} decoder layers.")
    return replace(shape, layers=layers)


def _engine(shape: Shape, kind: Device, device: torch.device, attention: str) -> EngineName:
    """Return DeepSpeed where it is installed and has room; no optimizer where there is none.

    Torch's AdamW needs less room than ZeRO-1, whose float32 gradients exist all at once.
    """
    if device.type == "cuda" and not _fits(shape, kind, attention, stage=1):
        if _fits(shape, kind, attention, stage=0):
            messages.print("There is no room for ZeRO-1 on one device: torch's own AdamW.")
            return "torch"
        messages.print("There is no room for an optimizer: forward and backward only.")
        return "none"
    if has_deepspeed():
        return "deepspeed"
    messages.print("DeepSpeed is not installed: torch's own AdamW takes its place.")
    return "torch"


def _fits(shape: Shape, kind: Device, attention: str, stage: int) -> bool:
    """Say whether one pair has room when all layers are run again."""
    setting = Setting(training_spec(1, attention)).changed(zero_stage=stage)
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


def _emptied(device: torch.device) -> None:
    """Give back what the models before held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
