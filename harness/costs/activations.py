"""Bytes that autograd keeps between forward and backward, tensor by tensor.

Nothing is fitted: every term below is a tensor that a layer of transformers' Llama saves. Between
CPU in float32 and GPU in bfloat16 these differ: norms keep a float32 copy of their input (in
float32 that is the input itself); the head keeps a float32 copy of its weight and rows; keys and
values stand once (flex), or once per segment that sees them (segments, varlen); a mask is kept by
segments.
"""

from dataclasses import dataclass

from harness.costs.load import Load
from harness.costs.shapes import Shape
from harness.costs.vision_shapes import MergerVisionShape

FLOAT = 4
"""Bytes of a float32 number."""
HEAD_ROWS = 2048
"""Positions whose logits exist at a time, once there are more than that."""


@dataclass(frozen=True)
class Kept:
    """Bytes of one pass, by where they are kept."""

    layer: int
    """A decoder layer whose activations are kept."""
    last_layer: int
    """The last one: its queries, second norm and MLP run only where a logit follows."""
    checkpointed_layer: int
    """One that is run again: its input."""
    around: int
    """Embedding, projector, rotary angles, masks and the last norm."""
    head: int
    """Rows, weight and log-softmax of the head."""
    head_working: int
    """What the head's backward holds besides, before any layer's is freed."""
    layer_working: int
    """What a layer's backward holds besides: gradients of its widest tensors."""


def kept(shape: Shape, load: Load, number: int, attention: str, fused: bool = False) -> Kept:
    """Count one pass.

    Args:
        shape: Sizes of the model.
        load: What the pass runs.
        number: Bytes of a number in forward: 2 or 4.
        attention: Kernel of the packed row: segments, flex or varlen.
        fused: Whether norms and gated activations run by one kernel each.
    """
    h, f = shape.hidden, shape.intermediate
    positions = load.positions
    head, head_working = _head(shape, load, number)
    # Gate, up and their product; the SiLU of the gate too, where that is a kernel of its own.
    mlp = (3 if fused else 4) * number * f
    norm = _norm(shape, number, fused) + number * h
    layer = positions * (2 * norm + mlp) + _attention(shape, load, number, attention)
    silent = norm + mlp + _query(shape, load, number, attention)
    return Kept(
        layer=layer,
        last_layer=layer - (positions - load.needed) * silent,
        checkpointed_layer=positions * number * h,
        around=_around(shape, load, number, attention, fused),
        head=head,
        head_working=head_working,
        # The gradients of gate, up and their product, while the product itself is gone; and that
        # of the layer's output.
        layer_working=positions * number * (2 * f + h),
    )


def vision_working(shape: Shape, load: Load, number: int) -> int:
    """Return what the tower holds while it runs without gradients: hidden states and an MLP."""
    vision = shape.vision
    states = vision.hidden * (vision.layers + 2) + 2 * vision.intermediate
    images = load.images
    return images * (vision.positions + 1) * number * states


def _norm(shape: Shape, number: int, fused: bool) -> int:
    """Per position: input in float32, its inverse deviation, and the normalised input.

    One kernel keeps its input as it came, and the inverse deviation. The product with the norm's
    weight is the input of the matrices behind it, counted there.
    """
    if fused:
        return number * shape.hidden + FLOAT
    return FLOAT * shape.hidden + FLOAT + number * shape.hidden


def _attention(shape: Shape, load: Load, number: int, attention: str) -> int:
    """Queries, keys, values, outputs and their log-sum-exp; rotation and projections keep none.

    The outputs of segments are joined into one tensor, the last projection's input, and are kept
    themselves; other kernels write that tensor at once.
    """
    by_segment = attention == "segments" and load.packed
    copied = attention in {"segments", "varlen"} and load.packed
    keys = load.keys_seen if copied else load.positions
    # A kernel with a mask wants keys and values repeated for every query head.
    width = shape.hidden if attention == "segments" else shape.key_width
    each = _query(shape, load, number, attention)
    squares = _padded(load) * number * shape.hidden if by_segment else 0
    return load.positions * each + keys * 2 * number * width + squares


def _query(shape: Shape, load: Load, number: int, attention: str) -> int:
    """Per position that asks: its query, its output and the log-sum-exp of its scores."""
    outputs = 2 if attention == "segments" and load.packed else 1
    return number * shape.hidden * (1 + outputs) + FLOAT * shape.heads


def _padded(load: Load) -> int:
    """Rows that segments keep besides: few ancestors are run as made-up queries, not masked.

    Such a segment keeps a copy of its queries with those, and their outputs.
    """
    return sum(
        (above + own + above) * count for above, own, count in load.segments if 0 < above < own
    )


def _mask_entries(load: Load) -> int:
    """Queries times keys of the segments whose ancestors are many."""
    return sum(own * (above + own) * count for above, own, count in load.segments if above >= own)


def _around(shape: Shape, load: Load, number: int, attention: str, fused: bool) -> int:
    h, positions = shape.hidden, load.positions
    rotary = 2 * positions * number * (h // shape.heads)
    images = load.images
    vision = shape.vision
    if isinstance(vision, MergerVisionShape):
        wide = vision.hidden * vision.merge**2
        projector = images * shape.image_tokens * number * (4 * wide)
    else:
        # Features, and input and output of the GELU between the projector's matrices.
        projector = images * load.image * number * (vision.hidden + 2 * h)
    masks = _mask_entries(load) if load.packed and attention == "segments" else 0
    return rotary + projector + number * masks + positions * _norm(shape, number, fused)


def _head(shape: Shape, load: Load, number: int) -> tuple[int, int]:
    """Return what is kept and what backward holds besides.

    Up to HEAD_ROWS rows the log-softmax of all is kept; beyond, chunks are run again one by one.
    Backward first holds two gradients as large as the log-softmax (of the loss by log-probability,
    and by logit), then one of them beside the gradients of weight and rows in float32.
    """
    h, rows = shape.hidden, load.logp_rows
    copied = number < FLOAT
    weight = FLOAT * shape.embedding_parameters if copied else 0
    inputs = rows * h * (number + (FLOAT if copied else 0))
    chunk = min(rows, HEAD_ROWS)
    logits = FLOAT * shape.vocabulary * chunk
    gradient = FLOAT * shape.embedding_parameters + FLOAT * chunk * h
    cast = number * shape.embedding_parameters if copied else 0
    working = max(2 * logits, gradient + cast)
    if rows <= HEAD_ROWS:
        return inputs + weight + logits, working
    return inputs, working + weight + logits
