"""Which kernels a decoder's small operations run by, and whether these are exact."""

import importlib.util
import inspect
import logging
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from harness.training.attention.choose import NAME as SEGMENT_ATTENTION
from harness.training.exactness import check_exact
from harness.training.kernels import operations
from harness.training.kernels.operations import Operations, liger

KernelsName = Literal["auto", "torch", "liger"]

OPERATIONS: dict[str, Callable[[], Operations]] = {"liger": liger}
PLAIN = "torch"
"""transformers' own modules, as they are."""


class Kernels(NamedTuple):
    """What computes a policy's decoder besides its matrix products."""

    attention: str
    """What `use_attention` returned."""
    decoder: str
    """What `use_kernels` returned."""


EVERYWHERE = Kernels(SEGMENT_ATTENTION, PLAIN)
"""What runs on every device, in every precision."""

_POSITIONS, _HEADS, _HEAD_SIZE = 300, 4, 64
_ROTARY = "apply_rotary_pos_emb"
_log = logging.getLogger(__name__)


def use_kernels(name: KernelsName, device: torch.device, dtype: torch.dtype) -> str:
    """Return the kernels to use, after they were checked; what `fuse` takes.

    `auto` is `liger` on GPUs in half precision, where Liger is installed, and `torch` elsewhere:
    its kernels are Triton's, which has none for CPUs.

    Raises:
        TrainingError: They do not run here, or not exactly.
    """
    chosen = _for(device, dtype) if name == "auto" else name
    if chosen != PLAIN:
        check_exact("kernels", chosen, PLAIN, device, dtype, relative_errors)
    _log.info("kernels of the decoder: %s (%s, %s)", chosen, device.type, dtype)
    return chosen


def fuse(language_model: Any, name: str) -> None:
    """Let a decoder's norms, gated activations and rotations run by the kernels of that name."""
    if name == PLAIN:
        return
    fused = OPERATIONS[name]()
    for layer in language_model.layers:
        for one in (layer.input_layernorm, layer.post_attention_layernorm):
            one.forward = MethodType(_norm_by(fused), one)
        layer.mlp.forward = MethodType(_mlp_by(fused), layer.mlp)
        _rotate_by(fused, layer.self_attn)
    language_model.norm.forward = MethodType(_norm_by(fused), language_model.norm)


def _norm_by(fused: Operations) -> Callable[[Any, Tensor], Tensor]:
    return lambda module, hidden: fused.norm(hidden, module.weight, module.variance_epsilon)


def _mlp_by(fused: Operations) -> Callable[[Any, Tensor], Tensor]:
    def forward(module: Any, hidden: Tensor) -> Tensor:
        result: Tensor = module.down_proj(
            fused.gated(module.gate_proj(hidden), module.up_proj(hidden))
        )
        return result

    return forward


def _rotate_by(fused: Operations, attention: nn.Module) -> None:
    """Let this one module's forward find another function under the name that it calls.

    The name is a global of transformers' file: changed there, it would change for every model of
    the process.
    """
    forward: Any = inspect.unwrap(type(attention).forward)
    if _ROTARY not in forward.__code__.co_names:
        return
    names = {**forward.__globals__, _ROTARY: fused.rotated}
    own = FunctionType(
        forward.__code__, names, forward.__name__, forward.__defaults__, forward.__closure__
    )
    attention.forward = MethodType(own, attention)


def _for(device: torch.device, dtype: torch.dtype) -> str:
    on_gpu = device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)
    return "liger" if on_gpu and importlib.util.find_spec("liger_kernel") else PLAIN


def relative_errors(name: str, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Compare outputs and gradients with the plain operations in float32, on made numbers."""
    found = _outputs_and_gradients(OPERATIONS[name](), device, dtype)
    truth = _outputs_and_gradients(operations.PLAIN, device, torch.float32, rounded=dtype)
    return {
        tensor: float((ours.detach().float() - right).norm() / right.norm())
        for (tensor, ours), right in zip(found.items(), truth.values(), strict=True)
    }


def _outputs_and_gradients(
    by: Operations, device: torch.device, dtype: torch.dtype, rounded: torch.dtype | None = None
) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=random).to(device, rounded or dtype).to(dtype)
        return values.requires_grad_()

    width = _HEADS * _HEAD_SIZE
    hidden, weight, gate, up = (
        drawn(*shape) for shape in ((1, _POSITIONS, width), (width,), *[(1, _POSITIONS, width)] * 2)
    )
    query, key = (drawn(1, _HEADS, _POSITIONS, _HEAD_SIZE) for _ in range(2))
    # Both halves of a head turn by the same angles; some kernels read only the first.
    cos, sin = (drawn(1, _POSITIONS, _HEAD_SIZE // 2).detach().repeat(1, 1, 2) for _ in range(2))
    turned = by.rotated(query * 1, key * 1, cos, sin)
    outputs = {
        "norm": (by.norm(hidden, weight, 1e-6), (hidden, weight)),
        "gated activation": (by.gated(gate, up), (gate, up)),
        "rotation": (torch.cat([one.flatten() for one in turned]), (query, key)),
    }
    found: dict[str, Tensor] = {}
    for part, (output, inputs) in outputs.items():
        weights = drawn(*output.shape).detach()
        found[part] = output.detach()
        gradients = torch.autograd.grad(output, inputs, weights)
        for i, gradient in enumerate(gradients):
            found[f"gradient {i + 1} of the {part}"] = gradient
    return found
