"""A model with random weights and preference pairs of fixed lengths: nothing is downloaded."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.costs.load import Load
from harness.costs.shapes import LLAVA_7B, LLAVA_13B, Shape, llava_config
from harness.costs.vision_shapes import VisionShape
from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.collate import Collator, ImageStore, changed_by
from harness.training.step.last_layer import whole_last_layer
from methods.types import Segments

TINY = Shape(
    family="llava",
    hidden=64,
    layers=2,
    heads=2,
    key_heads=2,
    intermediate=128,
    vocabulary=512,
    image_tokens=16,
    vision=VisionShape(hidden=32, layers=3, heads=2, intermediate=64, image=56, patch=14),
)
SIZES = {"7b": LLAVA_7B, "13b": LLAVA_13B, "tiny": TINY}

SYSTEM, QUESTION = 35, 25
"""Tokens of a prompt before and after its image, an assumption about RLAIF-V with vicuna_v1."""
RESPONSES = (50, 125, 250)
"""Tokens of responses; the chosen one of a pair takes the next in turn, the rejected the one after
that."""
PAD, END, UNKNOWN, FIRST_WORD = 0, 2, 4, 10
CLIP_GAP = "clip_gap"


def image_id(shape: Shape) -> int:
    """Return the token that stands for an image."""
    return int(llava_config(shape).image_token_id)


def made_model(shape: Shape, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a random LLaVA with a frozen tower, made on the device itself."""
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(llava_config(shape), dtype=dtype)
    model.model.vision_tower.requires_grad_(False)
    return model.to(device)


def unfused(language_model: Any) -> None:
    """Give the decoder its modules' own forward again."""
    for module in language_model.modules():
        module.__dict__.pop("forward", None)


def plain_again(model: Any, attention: str) -> None:
    """Make a model what it was before a policy was made of it.

    Args:
        model: What `made_model` returned.
        attention: Its attention then, by the name in its configuration.
    """
    language_model = model.model.language_model
    unfused(language_model)
    whole_last_layer(language_model)
    language_model.config._attn_implementation = attention


Length = Callable[[int, torch.Generator], int]
"""Tells the tokens of a response; its number is the row, and one more for the rejected one."""


def in_turn(number: int, _rng: torch.Generator) -> int:
    """Take the lengths of `RESPONSES` in turn."""
    return RESPONSES[number % len(RESPONSES)]


def made_pairs(shape: Shape, count: int, length: Length = in_turn) -> list[TokenizedPair]:
    """Return pairs with one system text, an image of their own, and random words."""
    rng = torch.Generator().manual_seed(1)
    image = image_id(shape)

    def words(length: int) -> Tensor:
        last = min(image, shape.vocabulary)
        return torch.randint(FIRST_WORD, last, (length,), generator=rng, dtype=torch.int32)

    system = words(SYSTEM)
    expanded = torch.full((shape.image_tokens,), image, dtype=torch.int32)
    return [
        TokenizedPair(
            row=row,
            prompt=torch.cat([system, expanded, words(QUESTION)]),
            chosen=words(length(row, rng)),
            rejected=words(length(row + 1, rng)),
            images=(ImageRef(row, 0, str(row)),),
        )
        for row in range(count)
    ]


def load_of(shape: Shape, pairs: int) -> Load:
    """Return the load of the first pairs, at their mean length."""
    return mean_load(shape, made_pairs(shape, pairs))


def mean_load(shape: Shape, made: Sequence[TokenizedPair]) -> Load:
    """Return the load of what `made_pairs` made, at its mean length."""
    tokens = sum(len(one.chosen) + len(one.rejected) for one in made)
    return Load(
        pairs=len(made),
        system=SYSTEM,
        image=shape.image_tokens,
        question=QUESTION,
        response=round(tokens / (2 * len(made))),
    )


class MadeImages(ImageStore):
    """Random pixels by key, each made once."""

    def __init__(self, shape: Shape) -> None:
        self._side = shape.vision.image
        self._made: dict[str, Tensor] = {}

    def tensor(self, image: ImageRef) -> Float[Tensor, "3 height width"]:
        """Return an image, made of its key, which is a number here."""
        if image.key not in self._made:
            rng = torch.Generator().manual_seed(int(image.key))
            self._made[image.key] = torch.randn(3, self._side, self._side, generator=rng)
        return self._made[image.key]


def collator(shape: Shape, pairs: int, segments: Segments | None = None) -> Collator:
    """Return what makes batches of the first pairs, with the segments that a method asks for."""
    image = image_id(shape)
    gaps = 0.3 * torch.randn(pairs, generator=torch.Generator().manual_seed(2))
    # By its name: what knows a column's mean needs packages that a lent machine may lack.
    mean = gaps.double().mean().float().expand(pairs)
    return Collator(
        pairs=made_pairs(shape, pairs),
        images=MadeImages(shape),
        changed=changed_by(segments, image),
        columns={CLIP_GAP: gaps, f"{CLIP_GAP}_mean": mean},
        image_id=image,
    )
