"""What the device itself can do: products of large matrices, and moving bytes."""

from typing import Any

import torch

from harness.gpu_check.timing import timed

_SIDE = {"cuda": 8192, "cpu": 512}
_MOVED = {"cuda": 1 << 31, "cpu": 1 << 24}
"""Bytes of the tensor that is copied."""
_WARMUP, _RUNS = 3, 10


def ceilings(device: torch.device) -> dict[str, Any]:
    """Return operations per second of a bfloat16 product of random squares, and bytes per second.

    A copy reads and writes; both count.
    """
    side, moved = _SIDE[device.type], _MOVED[device.type]
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.empty(moved, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return {
        "product_side": side,
        "product_flops": 2 * side**3 / _median(lambda: left @ right, device),
        "copied_bytes_per_second": 2 * moved / _median(lambda: target.copy_(source), device),
    }


def _median(run: Any, device: torch.device) -> float:
    for _ in range(_WARMUP):
        run()
    return sorted(timed(run, device) for _ in range(_RUNS))[_RUNS // 2]
