"""Sizes of a model's parts, known by name or read from its config.json, without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.costs.vision_shapes import (
    CLIP_L_336,
    QWEN_VISION,
    MergerVisionShape,
    VisionShape,
    clip_shape,
    tower_shape,
)
from harness.errors import ConfigError

if TYPE_CHECKING:
    from transformers import LlavaConfig

IMAGE_TOKEN = 32_000
"""Source: config.json of llava-hf/llava-1.5-7b-hf, image_token_index."""


@dataclass(frozen=True)
class Shape:
    """A language model that sees images: decoder, head, projector and vision tower."""

    family: str
    """As config.json says in `model_type`."""
    hidden: int
    layers: int
    heads: int
    key_heads: int
    """Fewer than `heads` where several query heads share keys and values."""
    intermediate: int
    vocabulary: int
    image_tokens: int
    """Positions that one image takes."""
    vision: VisionShape
    attention_bias: bool = False
    tied_head: bool = False

    @property
    def key_width(self) -> int:
        """Numbers in the keys of one position."""
        return self.hidden // self.heads * self.key_heads

    @property
    def layer_matrices(self) -> int:
        """Weights of one decoder layer that are multiplied with every position."""
        attention = 2 * self.hidden * (self.hidden + self.key_width)
        return attention + 3 * self.hidden * self.intermediate

    @property
    def layer_parameters(self) -> int:
        """All weights of one decoder layer."""
        biases = self.hidden + 2 * self.key_width if self.attention_bias else 0
        return self.layer_matrices + biases + 2 * self.hidden

    @property
    def embedding_parameters(self) -> int:
        """Weights of the token embedding, and as many of the head that is not tied to it."""
        return self.vocabulary * self.hidden

    @property
    def projector_parameters(self) -> int:
        """Weights between vision tower and decoder."""
        if isinstance(self.vision, MergerVisionShape):
            wide = self.vision.hidden * self.vision.merge**2
            return self.vision.hidden + wide * wide + wide + wide * self.hidden + self.hidden
        d, h = self.vision.hidden, self.hidden
        return d * h + h + h * h + h

    @property
    def trained_parameters(self) -> int:
        """Everything but the vision tower."""
        decoder = self.layers * self.layer_parameters + self.hidden
        embeddings = self.embedding_parameters * (1 if self.tied_head else 2)
        return decoder + embeddings + self.projector_parameters

    @property
    def parameters(self) -> int:
        """All weights of a checkpoint."""
        return self.trained_parameters + self.vision.parameters


LLAVA_7B = Shape(
    family="llava",
    hidden=4096,
    layers=32,
    heads=32,
    key_heads=32,
    intermediate=11_008,
    vocabulary=32_064,
    image_tokens=576,
    vision=CLIP_L_336,
)
"""Source: config.json of llava-hf/llava-1.5-7b-hf, whose decoder is Vicuna-7B-v1.5."""

LLAVA_13B = replace(LLAVA_7B, hidden=5120, layers=40, heads=40, key_heads=40, intermediate=13_824)
"""Source: config.json of llava-hf/llava-1.5-13b-hf, whose decoder is Vicuna-13B-v1.5."""

QWEN_3B = Shape(
    family="qwen2_5_vl",
    hidden=2048,
    layers=36,
    heads=16,
    key_heads=2,
    intermediate=11_008,
    vocabulary=151_936,
    image_tokens=144,
    vision=QWEN_VISION,
    attention_bias=True,
    tied_head=True,
)
"""Source: config.json of Qwen/Qwen2.5-VL-3B-Instruct; an image of 336 pixels a side."""

KNOWN: Mapping[str, Shape] = {
    "llava-hf/llava-1.5-7b-hf": LLAVA_7B,
    "llava-hf/llava-1.5-13b-hf": LLAVA_13B,
    # Converted to the layout of the two above, which pads the vocabulary of 32,000.
    "liuhaotian/llava-v1.5-7b": LLAVA_7B,
    "liuhaotian/llava-v1.5-13b": LLAVA_13B,
    "Qwen/Qwen2.5-VL-3B-Instruct": QWEN_3B,
}

_LLAMA = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11_008,
    "vocab_size": 32_000,
}
"""What transformers' LlamaConfig takes for a key that config.json leaves out, as llava-hf's do."""

_QWEN = {
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 29_568,
    "vocab_size": 152_064,
}
_QWEN_TOWER = {
    "hidden_size": 3584,
    "depth": 32,
    "num_heads": 16,
    "intermediate_size": 3420,
    "patch_size": 14,
    "spatial_merge_size": 2,
}
"""The same of transformers' Qwen2_5_VLConfig."""

ROWS = 64
"""The vocabulary of a converted LLaVA is a multiple of it, as in the conversions on the hub."""


def shape_of(model: str) -> Shape:
    """Return the shape of a hub name that the presets know, or of a local folder.

    Raises:
        ConfigError: The name is unknown, or the folder's config.json is missing or of a family that
            cannot be trained here.
    """
    if model in KNOWN:
        return KNOWN[model]
    file = Path(model) / "config.json"
    if not file.is_file():
        raise ConfigError(
            f"model {model}: its sizes are not known, and there is no {file}. Give a local folder, "
            f"or one of {', '.join(KNOWN)}: --set model.path=..."
        )
    try:
        return _read(json.loads(file.read_text("utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{file}: not the configuration of a model to train ({error})."
        ) from error


def llava_config(shape: Shape, layers: int | None = None) -> "LlavaConfig":
    """Return the configuration of a LLaVA with these sizes, or with fewer decoder layers."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = shape.vision
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=vision.hidden,
            intermediate_size=vision.intermediate,
            num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads,
            image_size=vision.image,
            patch_size=vision.patch,
            projection_dim=768,
        ),
        text_config=LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers if layers is None else layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_heads,
            max_position_embeddings=4096,
            rms_norm_eps=1e-5,
            tie_word_embeddings=shape.tied_head,
        ),
        image_token_id=min(IMAGE_TOKEN, shape.vocabulary - 1),
        vision_feature_layer=vision.feature_layer,
        vision_feature_select_strategy="default",
        tie_word_embeddings=shape.tied_head,
    )


def _read(config: Mapping[str, Any]) -> Shape:
    family = config["model_type"]
    if family in ("llava", "llava_llama") and "mm_vision_tower" in config:
        return _original(config)
    readers = {"llava": _llava, "qwen2_5_vl": _qwen}
    if family not in readers:
        raise ValueError(f"model_type {family!r}; known: {', '.join(readers)}")
    return readers[family](config)


def _original(config: Mapping[str, Any]) -> Shape:
    """Read a LLaVA in its first layout, the sizes of whose decoder stand beside the tower's name.

    Training starts from its conversion, whose vocabulary has two more tokens and is padded.
    """
    vision = tower_shape(config["mm_vision_tower"], config.get("mm_vision_select_layer", -2))
    class_token = config.get("mm_vision_select_feature", "patch") == "cls_patch"
    shape = _decoder("llava", {**_LLAMA, **config}, vision, vision.positions + class_token)
    return replace(shape, vocabulary=-(-(shape.vocabulary + 2) // ROWS) * ROWS)


def _llava(config: Mapping[str, Any]) -> Shape:
    layer = config.get("vision_feature_layer", -2)
    given = config.get("vision_config")
    vision = replace(CLIP_L_336, feature_layer=layer) if given is None else clip_shape(given, layer)
    class_token = config.get("vision_feature_select_strategy", "default") == "full"
    text = _tied_as(config, {**_LLAMA, **(config.get("text_config") or {})})
    return _decoder("llava", text, vision, vision.positions + class_token)


def _qwen(config: Mapping[str, Any]) -> Shape:
    given = {**_QWEN_TOWER, **config["vision_config"]}
    merge = given["spatial_merge_size"]
    vision = replace(
        QWEN_VISION,
        hidden=given["hidden_size"],
        layers=given["depth"],
        heads=given["num_heads"],
        intermediate=given["intermediate_size"],
        patch=given["patch_size"],
        merge=merge,
    )
    text = _tied_as(config, {**_QWEN, **(config.get("text_config") or config)})
    shape = _decoder("qwen2_5_vl", text, vision, vision.positions // merge**2)
    return replace(shape, attention_bias=True)


def _tied_as(config: Mapping[str, Any], text: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the decoder's values; whether the head is tied may stand beside them."""
    key = "tie_word_embeddings"
    return {**text, key: config.get(key, text.get(key, False))}


def _decoder(
    family: str, values: Mapping[str, Any], vision: VisionShape, image_tokens: int
) -> Shape:
    return Shape(
        family=family,
        hidden=values["hidden_size"],
        layers=values["num_hidden_layers"],
        heads=values["num_attention_heads"],
        key_heads=values.get("num_key_value_heads") or values["num_attention_heads"],
        intermediate=values["intermediate_size"],
        vocabulary=values["vocab_size"],
        image_tokens=image_tokens,
        vision=vision,
        tied_head=bool(values.get("tie_word_embeddings", False)),
    )
