"""Seeded operations on the pixels that the vision tower reads, by name."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Operation = Callable[
    [Float[Tensor, "3 height width"], torch.Generator], Float[Tensor, "3 height width"]
]
"""Normalised pixels and a CPU generator to others of the same size; nothing else may decide."""

_AREA = (0.01, 0.2)
"""Share of the picture's area that a crop keeps."""
_TRIES = 10
_STEPS, _STEP = 1000, 500
_BETAS = (1e-5, 5e-3)
_LOGITS = 6.0


class Box(NamedTuple):
    """Part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


def crop_box(height: int, width: int, rng: torch.Generator) -> Box:
    """Draw the part of a picture that a crop keeps: 1 to 20 % of its area, sides 3:4 to 4:3.

    Source: the draws of torchvision's RandomResizedCrop, in their order: share, sides, top, left.
    """
    low, high = torch.log(torch.tensor([3 / 4, 4 / 3])).tolist()
    for _ in range(_TRIES):
        area = height * width * torch.empty(1).uniform_(*_AREA, generator=rng).item()
        aspect = torch.exp(torch.empty(1).uniform_(low, high, generator=rng)).item()
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            top, left = (
                int(torch.randint(0, room + 1, (1,), generator=rng))
                for room in (height - down, width - across)
            )
            return Box(top, left, down, across)
    side = min(height, width)
    return Box((height - side) // 2, (width - side) // 2, side, side)


def crop(pixels: Float[Tensor, "3 h w"], rng: torch.Generator) -> Float[Tensor, "3 h w"]:
    """Enlarge a small part of the picture to its whole size, whatever that does to proportions."""
    height, width = pixels.shape[-2:]
    box = crop_box(height, width, rng)
    part = pixels[:, box.top : box.top + box.height, box.left : box.left + box.width]
    resized = F.interpolate(part[None], (height, width), mode="bilinear", antialias=True)
    return resized[0]


def noise(pixels: Float[Tensor, "3 h w"], rng: torch.Generator) -> Float[Tensor, "3 h w"]:
    """Mix in as much Gaussian noise as step 500 of 1,000 of a diffusion has.

    Its variances follow a sigmoid from 1e-5 to 5e-3.
    """
    low, high = _BETAS
    betas = torch.linspace(-_LOGITS, _LOGITS, _STEPS).sigmoid() * (high - low) + low
    kept = torch.cumprod(1 - betas, dim=0)[_STEP]
    drawn = torch.randn(pixels.shape, generator=rng, dtype=pixels.dtype)
    return kept.sqrt() * pixels + (1 - kept).sqrt() * drawn


def blank(pixels: Float[Tensor, "3 h w"], rng: torch.Generator) -> Float[Tensor, "3 h w"]:
    """Return a picture of one colour: that which normalisation makes zero."""
    return torch.zeros_like(pixels)


OPERATIONS: dict[str, Operation] = {"crop": crop, "noise": noise, "blank": blank}
