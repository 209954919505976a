"""Configuration, tokenizer and processor of a converted LLaVA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.costs.shapes import ROWS
from harness.data.templates import TEMPLATES
from harness.errors import DataError
from harness.models.original.sentencepiece_tokenizer import read_tokenizer
from harness.models.reading import read_object
from harness.models.weight_shapes import section

_TEXT = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "hidden_act"),
    *("rope_theta", "rope_scaling", "bos_token_id", "eos_token_id"),
)
_VISION = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("image_size", "patch_size", "hidden_act", "layer_norm_eps", "projection_dim"),
)
_SELECTED = {"patch": "default", "cls_patch": "full"}

_CHAT = """\
{{ system }}
{%- for message in messages %}
{{- ' ' + message['role'].upper() + ': ' }}
{%- if message['content'] is string %}
{{- message['content'] }}
{%- else %}
{%- for part in message['content'] if part['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}
{%- for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}
{%- endif %}
{%- if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"""
"""The template vicuna_v1 in the form that transformers reads, images first."""


def llava_config(folder: Path, config: Mapping[str, Any], tower: Path) -> Any:
    """Return the configuration of the conversion.

    Raises:
        DataError: The tower is not a CLIP, or the two do not fit together.
    """
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = _vision(tower)
    feature = config.get("mm_vision_select_feature", "patch")
    if feature not in _SELECTED:
        raise DataError(
            f"{folder / 'config.json'}: mm_vision_select_feature {feature!r} is not known. "
            f"Known: {', '.join(_SELECTED)}."
        )
    words = int(config["vocab_size"])
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    chosen = {key: config[key] for key in _TEXT if config.get(key) is not None}
    return LlavaConfig(
        architectures=["LlavaForConditionalGeneration"],
        text_config=LlamaConfig(
            **chosen,
            vocab_size=-(-(words + 2) // ROWS) * ROWS,
            pad_token_id=words + 1,
            tie_word_embeddings=False,
        ),
        vision_config=CLIPVisionConfig(**vision),
        image_token_id=words,
        image_seq_length=patches + (feature == "cls_patch"),
        vision_feature_layer=config.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy=_SELECTED[feature],
        projector_hidden_act="gelu",
        tie_word_embeddings=False,
        dtype=config.get("torch_dtype", "float16"),
    )


def write_readers(folder: Path, tower: Path, config: Any, target: Path) -> None:
    """Write configuration, tokenizer and processor.

    Raises:
        DataError: The tokenizer has not as many words as config.json says, or cannot be read.
    """
    from transformers import CLIPImageProcessorPil, GenerationConfig, LlavaProcessor

    tokenizer = _tokenizer(folder, int(config.image_token_id))
    try:
        images = CLIPImageProcessorPil.from_pretrained(tower)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{tower}: no readable preprocessor_config.json ({error}). Fetch the vision tower "
            "again."
        ) from error
    config.save_pretrained(target)
    LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
        chat_template=_CHAT.replace("{{ system }}", TEMPLATES["vicuna_v1"].system),
    ).save_pretrained(target)
    GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ).save_pretrained(target)


def _tokenizer(folder: Path, words: int) -> Any:
    """Return the tokenizer with `<image>` and `<pad>` behind its words."""
    from transformers import AddedToken

    tokenizer = read_tokenizer(folder)
    if len(tokenizer) != words:
        raise DataError(
            f"{folder / 'tokenizer.model'}: it has {len(tokenizer)} words, and config.json speaks "
            f"of {words}: one of the two is of another model. Fetch both again."
        )
    tokenizer.add_tokens(
        [AddedToken("<image>", special=True, normalized=False)], special_tokens=True
    )
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.padding_side = "left"
    return tokenizer


def _vision(tower: Path) -> dict[str, Any]:
    config, problem = read_object(tower / "config.json")
    if config is None:
        raise DataError(f"{problem}. It is the vision tower's; fetch that model again.")
    values = section(config, "vision_config") or config
    found = {key: values[key] for key in _VISION if key in values}
    if (
        config.get("model_type") not in ("clip", "clip_vision_model")
        or not {
            "hidden_size",
            "image_size",
            "patch_size",
        }
        <= found.keys()
    ):
        raise DataError(
            f"{tower / 'config.json'}: not the configuration of a CLIP. Set mm_vision_tower in the "
            "model's config.json to openai/clip-vit-large-patch14-336 or a folder of it."
        )
    return found
