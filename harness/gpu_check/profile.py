"""Where the time of one step goes on the device: kernels by kind, and none at all."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from harness.gpu_check.timing import timed

KINDS = (
    ("attention", re.compile(r"flash|fmha|sdpa|flex|varlen", re.IGNORECASE)),
    (
        "matrix products",
        re.compile(r"gemm|gemv|cutlass|nvjet|xmma|cublas|::mm$|addmm|bmm", re.IGNORECASE),
    ),
    ("fused operations", re.compile(r"^_(rms_norm|swiglu)_|^_triton_rope", re.IGNORECASE)),
    ("copies", re.compile(r"memcpy|memset|copy|CatArray|fill", re.IGNORECASE)),
)
"""By a kernel's name; what fits none is elementwise or a reduction."""
_REST = "elementwise and reductions"
_KEPT = 30
_MICRO = 1e-6


def profiled(step: Callable[[], object], device: torch.device) -> dict[str, Any]:
    """Run a step under the profiler.

    Returns:
        Seconds of the step, the share of them of each kind of kernel and of an idle device, and
        the longest kernels. On a CPU the operators stand for kernels.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    step()
    with profile(activities=activities) as profiler:
        seconds = timed(step, device)
    kernels = [
        (event.key, time * _MICRO, event.count)
        for event in profiler.key_averages()
        if (time := _own(event, on_gpu)) > 0
    ]
    kernels.sort(key=lambda one: one[1], reverse=True)
    shares = {kind: 0.0 for kind in (*(kind for kind, _ in KINDS), _REST)}
    for name, taken, _ in kernels:
        shares[kind_of_kernel(name)] += taken / seconds
    shares["nothing runs"] = max(0.0, 1 - sum(shares.values()))
    longest = [
        {"kernel": name, "seconds": taken, "calls": calls} for name, taken, calls in kernels[:_KEPT]
    ]
    return {"seconds": seconds, "shares": shares, "longest": longest}


def _own(event: Any, on_gpu: bool) -> float:
    """Return microseconds of a kernel itself; an operator's are those of the kernels it calls."""
    if not on_gpu:
        return float(event.self_cpu_time_total)
    is_kernel = event.device_type.name == "CUDA"
    return float(event.self_device_time_total) if is_kernel else 0.0


def kind_of_kernel(name: str) -> str:
    """Return the kind of a kernel, or on a CPU of an operator."""
    return next((kind for kind, pattern in KINDS if pattern.search(name)), _REST)
