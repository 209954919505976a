"""What all training steps that are compared run on: a random LLaVA, made pairs, one loss.

Models, pairs and processor are those of `harness.gpu_check`. A policy starts from the reference
and is moved a little, so that the loss is not log 2 for everybody; and the tokenizer knows one word
per token, so that a trainer which starts from texts ends at exactly the same tokens.
"""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.costs.shapes import Shape
from harness.costs.vision_shapes import VisionShape
from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.transforms import ImageTransform
from harness.gpu_check.made import image_id, made_pairs

_MOVE = 1e-3
MIDDLE = Shape(
    family="llava",
    hidden=512,
    layers=8,
    heads=8,
    key_heads=8,
    intermediate=1376,
    vocabulary=32_000,
    image_tokens=576,
    vision=VisionShape(hidden=256, layers=6, heads=4, intermediate=1024, image=336, patch=14),
)


@dataclass(frozen=True)
class Size:
    """Model and batch; the defaults are those of the committed figures."""

    shape: Shape = MIDDLE
    pairs: int = 2
    response: int = 125
    """Tokens of a response on average, as in the 7b training data."""

    @cached_property
    def image_id(self) -> int:
        """The token that stands for an image; found once, since every step asks for it."""
        return image_id(self.shape)

    def made_pairs(self) -> list[TokenizedPair]:
        """Return the pairs; unlike those of `gpu-check`, of random lengths around the mean."""
        least, most = self.response // 2, self.response * 3 // 2

        def length(_number: int, rng: torch.Generator) -> int:
            return int(torch.randint(least, most, (1,), generator=rng))

        return made_pairs(self.shape, self.pairs, length)


def made_policy(reference):
    """Return a copy whose trained weights are moved, the same way at every call."""
    policy, noise = copy.deepcopy(reference), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(_MOVE * torch.randn(weight.shape, generator=noise))
    return policy


class Pictures:
    """Made pictures by key. A tensor is made from its picture anew at each step, as in training.

    `gpu-check` measures without that work and compares no losses, so its images are tensors that
    are made once, and TRL's are of one colour. Here all steps must see the same pixels.
    """

    def __init__(self, size: Size, processor) -> None:
        self._side = size.shape.vision.image
        self._transform = ImageTransform(processor, "center_crop")

    def picture(self, image: ImageRef) -> Image.Image:
        rng = np.random.default_rng(int(image.key))
        return Image.fromarray(rng.integers(0, 256, (self._side, self._side, 3), dtype=np.uint8))

    def tensor(self, image: ImageRef) -> Tensor:
        return self._transform(self.picture(image))
