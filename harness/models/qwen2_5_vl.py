"""Qwen2.5-VL: a tower of windowed attention with its merger, and a Qwen2 with M-RoPE positions.

Images are squares of one size, as everywhere in this program, and not of their own proportions: so
every image has the same number of tokens. The whole tower is frozen, its merger included.
"""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from harness.data.transforms import square_side
from harness.models.family import Family, TrainedParts


class Qwen25VL(Family):
    """`Qwen2_5_VLForConditionalGeneration` of transformers; decoder and head are trained."""

    name = "qwen2_5_vl"
    weight_names = {  # noqa: RUF012 (declared as a ClassVar in the base)
        "language_model.": "model.language_model.",
        "head.": "lm_head.",
    }

    def load_model(self, folder: Path, dtype: torch.dtype) -> Any:
        """Load the whole model on the CPU."""
        from transformers import Qwen2_5_VLForConditionalGeneration

        return Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=dtype)

    def load_image_processor(self, folder: Path) -> Any:
        """Load the image processor that Qwen2-VL and Qwen2.5-VL share."""
        from transformers import Qwen2VLImageProcessorPil

        return Qwen2VLImageProcessorPil.from_pretrained(folder)

    def image_tokens(self, config: Any, image_processor: Any) -> int:
        """Return the number of merged patches of a square."""
        vision = config.vision_config
        side = square_side(image_processor.to_dict())
        return int((side // (vision.patch_size * vision.spatial_merge_size)) ** 2)

    def tower(self, model: Any) -> Any:
        """Return the tower with its merger."""
        return model.model.visual

    def features(
        self, tower: Any, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> Float[Tensor, "images tokens d"]:
        """Return merged patches in the width of the language model."""
        patches, grids = self.image_inputs(config, images)
        merged: Tensor = tower(patches.to(tower.dtype), grid_thw=grids).pooler_output
        return merged.view(len(images), -1, merged.shape[-1])

    def trained(self, model: Any) -> TrainedParts:
        """Return Qwen2 and its head; the merger has projected already."""
        return TrainedParts(nn.Identity(), model.model.language_model, model.lm_head)

    def image_inputs(
        self, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> tuple[Tensor, ...]:
        """Return flattened patches of all images, and the grid of each in patches.

        The patches that are merged into one token follow each other, and a patch is as deep as a
        video's, with the same picture at every time.
        """
        vision = config.vision_config
        size, merge = vision.patch_size, vision.spatial_merge_size
        grid = images.shape[-1] // size
        tokens = grid // merge
        pieces = images.reshape(len(images), 3, tokens, merge, size, tokens, merge, size)
        merged = pieces.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(-1, 3, 1, size, size)
        patches = merged.expand(-1, -1, vision.temporal_patch_size, -1, -1).flatten(1)
        grids = torch.tensor([[1, grid, grid]] * len(images), device=images.device)
        return patches, grids

    def positions(
        self,
        counts: Int[Tensor, "*rows positions"],
        at_image: Bool[Tensor, "*rows positions"],
        image_tokens: int,
    ) -> Int[Tensor, "3 *rows positions"]:
        """Return time, height and width of M-RoPE.

        An image stands at one time, its rows and columns counted on from there; the text goes on
        after its longer edge.
        """
        side = math.isqrt(image_tokens)
        last = torch.iinfo(counts.dtype).max
        start = counts.masked_fill(~at_image, last).amin(-1, keepdim=True)
        place = counts - start
        text = torch.where(place < 0, counts, counts - image_tokens + side)
        axes = (start.expand_as(counts), start + place // side, start + place % side)
        return torch.stack([torch.where(at_image, axis, text) for axis in axes])
