"""Sizes of image encoders: of those that are known by name, or read from a config.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class VisionShape:
    """An image encoder, which is frozen."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    image: int
    """Pixels of a side of the square image."""
    patch: int
    feature_layer: int = -2
    """Which hidden state is read, counted as transformers does."""

    @property
    def positions(self) -> int:
        """Patches of an image, without the class token."""
        return (self.image // self.patch) ** 2

    @property
    def parameters(self) -> int:
        """Count the weights of CLIP's vision model.

        A layer holds four attention and two MLP matrices with biases and two norms of two vectors.
        """
        d, f = self.hidden, self.intermediate
        layer = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 4 * d
        embeddings = d + 3 * self.patch**2 * d + (self.positions + 1) * d
        return embeddings + self.layers * layer + 4 * d


@dataclass(frozen=True)
class MergerVisionShape(VisionShape):
    """The image encoder of Qwen2.5-VL: gated MLPs, and neighbouring patches merged at its end."""

    merge: int = 2
    """Patches of a side that become one feature."""
    frames: int = 2

    @property
    def parameters(self) -> int:
        """Count the encoder's weights without the merger, which stands for the projector."""
        d, f = self.hidden, self.intermediate
        layer = (3 * d * d + 3 * d) + (d * d + d) + 2 * (d * f + f) + (f * d + d) + 2 * d
        return 3 * self.frames * self.patch**2 * d + self.layers * layer


CLIP_L_336 = VisionShape(hidden=1024, layers=24, heads=16, intermediate=4096, image=336, patch=14)
"""Source: openai/clip-vit-large-patch14-336, and the defaults of transformers' LlavaConfig."""

QWEN_VISION = MergerVisionShape(
    hidden=1280, layers=32, heads=16, intermediate=3420, image=336, patch=14, feature_layer=-1
)


TOWERS: Mapping[str, VisionShape] = {
    "openai/clip-vit-large-patch14-336": CLIP_L_336,
    "openai/clip-vit-large-patch14": replace(CLIP_L_336, image=224),
}
"""What the `mm_vision_tower` of a LLaVA in its first layout may name. Source: their config.json."""

_CLIP = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "image_size": 224,
    "patch_size": 32,
}
"""What transformers' CLIPVisionConfig takes for a key that config.json leaves out."""


def clip_shape(sizes: Mapping[str, Any], feature_layer: int) -> VisionShape:
    """Return the shape of a CLIP by the sizes in its configuration."""
    values = {**_CLIP, **sizes}
    return VisionShape(
        hidden=values["hidden_size"],
        layers=values["num_hidden_layers"],
        heads=values["num_attention_heads"],
        intermediate=values["intermediate_size"],
        image=values["image_size"],
        patch=values["patch_size"],
        feature_layer=feature_layer,
    )


def tower_shape(tower: str, feature_layer: int) -> VisionShape:
    """Return the shape of the CLIP that an `mm_vision_tower` names: on the hub, or a folder.

    Raises:
        ValueError: It is neither a known name nor a folder with a config.json.
    """
    if tower in TOWERS:
        return replace(TOWERS[tower], feature_layer=feature_layer)
    file = Path(tower) / "config.json"
    if not file.is_file():
        raise ValueError(f"mm_vision_tower {tower!r}; known: {', '.join(TOWERS)}, or a folder")
    config = json.loads(file.read_text("utf-8"))
    return clip_shape(config.get("vision_config") or config, feature_layer)
