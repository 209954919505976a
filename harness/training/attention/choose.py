"""Attention of a packed row: which kernel computes it, and whether that one is exact."""

import importlib.util
import logging
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import AttentionInterface

from harness.data.rows.packing import PackedRow, pack
from harness.training.attention.flex import flex_row_attention
from harness.training.attention.segments import segment_attention
from harness.training.attention.varlen import varlen_attention
from harness.training.exactness import check_exact

AttentionName = Literal["auto", "segments", "flex", "varlen"]

FUNCTIONS: dict[str, Callable[..., tuple[Tensor, None]]] = {
    "segments": segment_attention,
    "flex": flex_row_attention,
    "varlen": varlen_attention,
}
NAME = "packed_segments"
"""The one that runs everywhere, by its name in transformers."""

_KEY_HEADS, _HEADS, _HEAD_SIZE = 2, 4, 64
_log = logging.getLogger(__name__)

for _name, _function in FUNCTIONS.items():
    AttentionInterface.register(f"packed_{_name}", _function)


def use_attention(name: AttentionName, device: torch.device, dtype: torch.dtype) -> str:
    """Return the attention to use, by its name in transformers, after it was checked.

    `auto` is `segments` on CPU, where a call per segment costs nothing and no other kernel has a
    backward that skips what is hidden. On GPUs in half precision it is `varlen`, which needs one
    call for all segments, no compilation and no mask, or `flex` where torch or the GPU lacks that
    kernel. In float32 neither is faster, and it is `segments`.

    Raises:
        TrainingError: It does not run here, or not exactly.
    """
    chosen = _for(device, dtype) if name == "auto" else name
    if chosen != "segments":
        check_exact("attention", chosen, "segments", device, dtype, relative_errors)
    _log.info("attention of packed rows: %s (%s, %s)", chosen, device.type, dtype)
    return f"packed_{chosen}"


def _for(device: torch.device, dtype: torch.dtype) -> str:
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return "segments"
    has_flash = torch.cuda.get_device_capability(device) >= (8, 0)
    if has_flash and importlib.util.find_spec("torch.nn.attention.varlen"):
        return "varlen"
    return "flex" if importlib.util.find_spec("triton") else "segments"


def relative_errors(name: str, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Compare output and gradients with `segments` in float32 or wider, on a made row."""
    row = _made_row().to(device)
    random = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(1, heads, row.positions, _HEAD_SIZE, generator=random).to(device, dtype)
        for heads in (_HEADS, _KEY_HEADS, _KEY_HEADS, _HEADS)
    ]
    wide = torch.promote_types(dtype, torch.float32)
    found = _output_and_gradients(FUNCTIONS[name], drawn, row)
    truth = _output_and_gradients(segment_attention, [one.to(wide) for one in drawn], row)
    names = ("output", "gradient of the queries", "gradient of the keys", "gradient of the values")
    return {
        tensor: float((ours.to(wide) - right).norm() / right.norm())
        for tensor, ours, right in zip(names, found, truth, strict=True)
    }


def _output_and_gradients(
    function: Callable[..., tuple[Tensor, None]], drawn: list[Tensor], row: PackedRow
) -> list[Tensor]:
    *inputs, weights = (one.clone().requires_grad_() for one in drawn)
    output, _ = function(None, *inputs, None, scaling=_HEAD_SIZE**-0.5, packed_row=row)
    gradients: tuple[Any, ...] = torch.autograd.grad(
        output, inputs, weights.detach().transpose(1, 2)
    )
    return [output.detach(), *gradients]


def _made_row() -> PackedRow:
    """Two prompts with a common beginning, two responses to each, over several kernel blocks."""
    lengths = {10: (150, (33, 60)), 20: (111, (1, 90))}
    sequences = [
        [1] * 41 + [prompt] * length + [prompt + 1 + side] * response + [0]
        for prompt, (length, responses) in lengths.items()
        for side, response in enumerate(responses)
    ]
    return pack(sequences, [1] * len(sequences))[0]
