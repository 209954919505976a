"""The last decoder layer: its queries, outputs and MLP run only where a logit follows.

Nothing reads its other outputs. Keys and values are those of all positions.
"""

import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AttentionInterface

from harness.data.rows.packing import PackedRow
from harness.training.kernels.operations import turned


def shorten_last_layer(language_model: Any) -> None:
    """Let the decoder return hidden states of the row's needed positions alone, in their order.

    The layer gets a class of its own, and not only a `forward`: transformers wraps that of a class,
    so that gradient checkpointing runs this layer again, too.
    """
    layer = language_model.layers[-1]
    kind: Any = type(layer)
    layer.__class__ = _shortened(kind)


def whole_last_layer(language_model: Any) -> None:
    """Undo `shorten_last_layer`, if it was done."""
    layer = language_model.layers[-1]
    layer.__class__ = getattr(type(layer), _WHOLE, type(layer))


_WHOLE = "whole_kind"


@functools.cache
def _shortened(kind: Any) -> Any:
    return type(f"Last{kind.__name__}", (kind,), {"forward": _forward, _WHOLE: kind})


def _forward(
    layer: Any,
    hidden_states: Float[Tensor, "1 positions d"],
    position_embeddings: tuple[Tensor, Tensor],
    packed_row: PackedRow,
    **_unused: Any,
) -> Float[Tensor, "1 needed d"]:
    """Source: transformers LlamaDecoderLayer.forward."""
    normed = layer.input_layernorm(hidden_states)
    attended = _attended(layer.self_attn, normed, position_embeddings, packed_row)
    hidden = hidden_states.index_select(1, packed_row.needed) + attended
    result: Tensor = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return result


def _attended(
    attention: Any,
    hidden: Float[Tensor, "1 positions d"],
    position_embeddings: tuple[Tensor, Tensor],
    row: PackedRow,
) -> Float[Tensor, "1 needed d"]:
    """Source: transformers LlamaAttention.forward."""
    cos, sin = (one.unsqueeze(1) for one in position_embeddings)
    asked = hidden.index_select(1, row.needed)
    there = (one.index_select(2, row.needed) for one in (cos, sin))
    compute = AttentionInterface()[attention.config._attn_implementation]
    output, _ = compute(
        attention,
        turned(_heads(attention, attention.q_proj(asked)), *there),
        turned(_heads(attention, attention.k_proj(hidden)), cos, sin),
        _heads(attention, attention.v_proj(hidden)),
        None,
        scaling=attention.scaling,
        packed_row=row,
        only_needed=True,
    )
    result: Tensor = attention.o_proj(output.reshape(1, asked.shape[1], -1))
    return result


def _heads(attention: Any, projected: Tensor) -> Float[Tensor, "1 heads positions d"]:
    split = projected.view(1, projected.shape[1], -1, attention.head_dim)
    return torch.transpose(split, 1, 2)
