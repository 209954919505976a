"""Seconds and bytes of work on a device."""

import gc
import time
from collections.abc import Callable

import torch

from harness.console import messages

_MUCH = 2**30


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one run, from an idle device to an idle device."""
    synchronize(device)
    started = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - started


def forget_peak(device: torch.device) -> None:
    """Begin to count the most bytes anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def emptied(device: torch.device) -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        if (held := torch.cuda.memory_allocated(device)) > _MUCH:
            messages.print(f"{held / 2**30:.1f} GiB are still held on the device")


def peak_bytes(device: torch.device) -> int | None:
    """Return the most bytes of tensors since then; a CPU does not say."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
