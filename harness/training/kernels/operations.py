"""The operations of a decoder layer that are no matrix product, each by one kernel.

transformers runs each as five to ten kernels, which read and write the same numbers as often, and
autograd keeps copies between them. Fused, a norm keeps its input and one number per position, and
a gated activation its two inputs.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


class Operations(NamedTuple):
    """Functions that stand for a part of a decoder layer's modules."""

    norm: Callable[[Tensor, Tensor, float], Tensor]
    gated: Callable[[Tensor, Tensor], Tensor]
    rotated: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def norm(
    hidden: Float[Tensor, "*rows positions d"], weight: Float[Tensor, " d"], epsilon: float
) -> Float[Tensor, "*rows positions d"]:
    """Divide by the root mean square, in float32. Source: transformers LlamaRMSNorm."""
    wide = hidden.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * (wide * scale).to(hidden.dtype)


def gated(
    gate: Float[Tensor, "*rows positions f"], up: Float[Tensor, "*rows positions f"]
) -> Float[Tensor, "*rows positions f"]:
    """Multiply by the SiLU of the gate. Source: transformers LlamaMLP."""
    return F.silu(gate) * up


def rotated(
    query: Float[Tensor, "rows heads positions d"],
    key: Float[Tensor, "rows key_heads positions d"],
    cos: Float[Tensor, "rows positions d"],
    sin: Float[Tensor, "rows positions d"],
) -> tuple[Tensor, Tensor]:
    """Rotate by position. Source: transformers apply_rotary_pos_emb."""
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    return turned(query, cos, sin), turned(key, cos, sin)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys; the angles' heads are one, for all heads."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


PLAIN = Operations(norm, gated, rotated)
"""As transformers computes them: what others are compared with."""


@functools.cache
def liger() -> Operations:
    """Return Liger's kernels.

    Raises:
        ImportError: liger_kernel is not installed.
    """
    # An optional package, of which no type is promised.
    ops: Any = {
        name: importlib.import_module(f"liger_kernel.ops.{name}")
        for name in ("rms_norm", "swiglu", "rope")
    }

    def liger_norm(hidden: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        # Not in place: the gradient that comes in belongs to the residual as well.
        apply = ops["rms_norm"].LigerRMSNormFunction.apply
        result: Tensor = apply(hidden, weight, epsilon, 0.0, "llama", False)
        return result

    return Operations(
        norm=liger_norm,
        gated=ops["swiglu"].LigerSiLUMulFunction.apply,
        rotated=ops["rope"].LigerRopeFunction.apply,
    )
