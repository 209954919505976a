"""Floating-point operations of a preference pair, counted by formula; imports no torch.

A product of a matrix of w weights with one position is 2w operations forward and 4w backward, for
its input's gradient and its own.
"""

from dataclasses import replace
from typing import Literal

from harness.costs.load import Load
from harness.costs.shapes import Shape

Step = Literal["ours", "released", "trl"]


def pair_flops(shape: Shape, load: Load | None = None) -> float:
    """Return the least work of a pair: prefix once, every image and reference known already.

    The last layer runs its queries, outputs and MLP only where a logit is needed. At 7b and four
    pairs per row: 33.6e12.
    """
    load = load or Load()
    return 3 * (_matrices(shape, load) + _attention(shape, load) + _head(shape, load))


def step_flops(
    shape: Shape, load: Load, step: Step = "ours", checkpointed: int = 0, passes: int = 1
) -> float:
    """Return the work that a training step does for a pair, without a cached reference.

    `ours` runs the reference only on what a method's views draw anew. `released` runs prompt, image
    and vision tower once per response and takes logits everywhere; `trl` adds a forward pass of the
    reference model with its own tower. Several passes run forward once more.

    Args:
        shape: Sizes of the model.
        load: Pairs of a pass.
        step: Whose step.
        checkpointed: Decoder layers that are run again.
        passes: Passes of a device in a step.
    """
    load = load if step == "ours" else _plain(load)
    forward = _matrices(shape, load) + _attention(shape, load)
    towers = len(load.branches) if step == "ours" else 2
    work = 3 * (forward + _head(shape, load)) + towers * tower_flops(shape)
    work += forward * checkpointed / shape.layers
    if step == "trl" or passes > 1:
        work += forward + _head(shape, load)
    if live := load.of_reference:
        work += _matrices(shape, live) + _attention(shape, live) + _head(shape, live)
    return work + (towers * tower_flops(shape) if step == "trl" else 0)


def reference_flops(shape: Shape, load: Load) -> float:
    """Return the work of a pair's reference log-probabilities: forward, once for all epochs."""
    once = _matrices(shape, load) + _attention(shape, load) + _head(shape, load)
    return once + tower_flops(shape)


def tower_flops(shape: Shape) -> float:
    """Return the work of the vision tower for one image, forward only; 0.38e12 for CLIP-L/336."""
    vision = shape.vision
    positions = vision.positions + 1
    layer = 4 * vision.hidden**2 + 2 * vision.hidden * vision.intermediate
    scores = 4 * positions**2 * vision.hidden
    return vision.layers * (2 * positions * layer + scores)


def _plain(load: Load) -> Load:
    return replace(load, packed=False, branches=(2,), live=())


def _matrices(shape: Shape, load: Load) -> float:
    """Decoder and projector, forward, for a pair."""
    decoder = load.positions * shape.layers * shape.layer_matrices
    # The last layer's queries, outputs and MLP run only where a logit follows.
    silent = 2 * shape.hidden**2 + 3 * shape.hidden * shape.intermediate
    decoder -= (load.positions - load.needed) * silent
    images = load.images / load.pairs
    return 2 * (decoder / load.pairs + images * load.image * shape.projector_parameters)


def _head(shape: Shape, load: Load) -> float:
    """Logits of a pair, forward."""
    return 2 * load.logp_rows * shape.embedding_parameters / load.pairs


def _attention(shape: Shape, load: Load) -> float:
    """Scores and weighted values, forward: 4 operations per number and visible key."""
    return 4 * load.scores * shape.hidden * shape.layers / load.pairs
