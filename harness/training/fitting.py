"""What the devices of a run allow: layers to run again, and the work that would be useful."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.costs.devices import local_device
from harness.costs.flops import pair_flops
from harness.costs.load import Load, largest_load
from harness.costs.memory import Setting, checkpointed_layers
from harness.costs.shapes import shape_of
from harness.costs.views import with_views
from harness.files.jsonlines import JsonLines
from harness.models.sources import ModelSource
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec, TrainingSpec
from harness.training.kernels.choose import Kernels
from harness.training.step.protocols import Processes

if TYPE_CHECKING:
    from harness.data.rows.tokenized import TokenizedPairs

_SAMPLE = 1000
"""Pairs whose lengths stand for those of all."""


def use_checkpointing(
    language_model: Any,
    spec: RunSpec,
    folder: Path,
    pairs: "TokenizedPairs",
    image_tokens: int,
    processes: Processes,
) -> int:
    """Let as many decoder layers, the first ones, be run again as the run asks for; return it.

    Raises:
        ConfigError: It asks for as few as fit, and not even all do.
    """
    choice = spec.training.gradient_checkpointing
    layers = len(language_model.layers) if choice else 0
    if choice == "auto":
        layers = _fewest(spec, folder, pairs, image_tokens, processes)
    if layers:
        checkpoint_layers(language_model, layers, reentrant=spec.training.zero_stage == 3)
    return layers


def useful_flops(
    spec: RunSpec,
    folder: Path,
    pairs: "TokenizedPairs",
    image_tokens: int,
    processes: Processes,
) -> tuple[float, float] | None:
    """Return operations per second of all devices at best, and those that a pair needs.

    None where the device's best is not known, as for CPUs.
    """
    peak = local_device(processes.count).bf16_flops if processes.device.type == "cuda" else None
    if peak is None:
        return None
    load = with_views(_mean(pairs, image_tokens), spec)
    return peak * processes.count, pair_flops(shape_of(str(folder)), load)


def note_session(
    run: RunDir,
    training: TrainingSpec,
    processes: Processes,
    used: Kernels,
    layers: int,
    model: ModelSource,
) -> None:
    """Append to the run's sessions how this start of the workers computes: it may differ each time.

    Args:
        run: The run.
        training: Its settings.
        processes: The devices.
        used: The kernels that were chosen.
        layers: Decoder layers that are run again.
        model: Whence the base model came, with its commit on the hub.
    """
    if processes.rank > 0:
        return
    on_gpu = processes.device.type == "cuda"
    row = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "devices": processes.count,
        "device": torch.cuda.get_device_name() if on_gpu else "CPU",
        "attention": used.attention,
        "kernels": used.decoder,
        "layers_run_again": layers,
        "zero_stage": training.zero_stage,
        "offload": training.offload,
        "torch": torch.__version__,
        "model": {"from": model.origin, "commit": model.revision, "checked": model.checked},
    }
    JsonLines(run.sessions).append(row)


def _fewest(
    spec: RunSpec,
    folder: Path,
    pairs: "TokenizedPairs",
    image_tokens: int,
    processes: Processes,
) -> int:
    on_cpu = processes.device.type == "cpu"
    every = (pairs[row] for row in range(len(pairs)))
    lengths = [(len(one.prompt), len(one.chosen), len(one.rejected)) for one in every]
    return checkpointed_layers(
        shape_of(str(folder)),
        Setting.of(spec.training, spec.model, on_cpu),
        with_views(
            largest_load(lengths, spec.training.batch_pairs // processes.count, image_tokens), spec
        ),
        local_device(processes.count).memory_bytes,
    )


def checkpoint_layers(language_model: Any, layers: int, reentrant: bool) -> None:
    """Let the first `layers` decoder layers be run again in backward."""
    # The name since transformers 5.20 or so; the old one warns there.
    enable = getattr(language_model, "activation_checkpointing_enable", None)
    # ZeRO-3 frees weights between forward and recomputation, which only reentrant checkpointing
    # tolerates. No layer draws random numbers, whose state would be kept and put back each time.
    (enable or language_model.gradient_checkpointing_enable)(
        {"use_reentrant": reentrant, "preserve_rng_state": False}
    )
    for layer in language_model.layers[layers:]:
        layer.gradient_checkpointing = False


def _mean(pairs: "TokenizedPairs", image_tokens: int) -> Load:
    step = max(1, len(pairs) // _SAMPLE)
    sample = [pairs[row] for row in range(0, len(pairs), step)]
    prompt = sum(len(one.prompt) for one in sample) / len(sample)
    responses = sum(len(one.chosen) + len(one.rejected) for one in sample) / len(sample)
    return Load(
        pairs=1,
        system=0,
        image=image_tokens,
        question=round(prompt) - image_tokens,
        response=round(responses / 2),
    )
