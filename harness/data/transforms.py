"""From pixels to the tensor that the vision tower reads."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

_SIDE = 448
"""Pixels of an image for a processor that would keep proportions."""

_SETTINGS = (
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_convert_rgb"),
    *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std"),
)


def square_side(settings: Mapping[str, Any]) -> int:
    """Return the side of the square that every image becomes for a processor of Qwen2-VL's kind.

    Such a processor keeps proportions between a smallest and a largest area. The side is 448 pixels
    (256 tokens at patches of 14, merged by two) within that area, in whole merged patches.
    """
    unit = settings["patch_size"] * settings["merge_size"]
    smallest, largest = settings["size"]["shortest_edge"], settings["size"]["longest_edge"]
    units = min(
        max(_SIDE // unit, math.ceil(math.sqrt(smallest) / unit)), math.isqrt(largest) // unit
    )
    return int(max(1, units) * unit)


class ImageTransform:
    """Make the square tensor `[3, height, width]` of one image.

    Sizes, mean and deviation are the processor's own; for one that would keep proportions
    `square_side` tells the size. `center_crop` resizes the shortest edge and cuts the middle, as
    CLIP does; `pad` first makes the image square with the processor's mean colour, so that nothing
    is cut.
    """

    def __init__(self, processor: Any, mode: Literal["center_crop", "pad"]) -> None:
        # The fast back ends resize with another filter than PIL: other pixels, other numbers.
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        image_processor = getattr(processor, "image_processor", processor)
        settings = image_processor.to_dict()
        if "merge_size" in settings:
            side = square_side(settings)
            settings |= {"size": {"shortest_edge": side}, "do_center_crop": True}
            settings["crop_size"] = {"height": side, "width": side}
        self._processor = CLIPImageProcessorPil(
            **{name: settings[name] for name in _SETTINGS if settings.get(name) is not None}
        )
        self._mode = mode

    def __call__(self, image: Image.Image) -> Float[Tensor, "3 height width"]:
        """Return the normalised pixels in float32."""
        if self._mode == "pad":
            image = self._padded(image)
        pixels = self._processor(image, return_tensors="pt")["pixel_values"][0]
        return torch.as_tensor(pixels, dtype=torch.float32)

    def _padded(self, image: Image.Image) -> Image.Image:
        side = max(image.size)
        colour = tuple(int(255 * channel) for channel in self._processor.image_mean)
        square = Image.new("RGB", (side, side), colour)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square
