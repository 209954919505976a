"""A model's sizes are known by name, or read from its config.json alone."""

import json
from pathlib import Path

import pytest
import torch

from harness.costs.shapes import KNOWN, LLAVA_7B, LLAVA_13B, QWEN_3B, Shape, llava_config, shape_of
from harness.errors import ConfigError


@pytest.mark.parametrize(
    ("shape", "decoder", "total"),
    [
        (LLAVA_7B, 6_476_005_376, 7_063_427_072),
        (LLAVA_13B, 12_687_769_600, 13_351_494_656),
    ],
    ids=["7b", "13b"],
)
def test_weights_are_counted_exactly(shape: Shape, decoder: int, total: int):
    """7b: 32 layers of 4 * 4096**2 + 3 * 4096 * 11008 = 202,375,168 multiplied weights."""
    assert shape.layers * shape.layer_matrices == decoder
    assert shape.parameters == total


@pytest.mark.parametrize("shape", [LLAVA_7B, LLAVA_13B], ids=["7b", "13b"])
def test_transformers_builds_a_model_with_as_many_weights(shape: Shape):
    from transformers import LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(llava_config(shape))
    parts = {"vision_tower": 0, "multi_modal_projector": 0, "rest": 0}
    for name, weight in model.named_parameters():
        part = next((part for part in parts if f".{part}." in name), "rest")
        parts[part] += weight.numel()
    assert parts["vision_tower"] == shape.vision.parameters
    assert parts["multi_modal_projector"] == shape.projector_parameters
    assert sum(parts.values()) == shape.parameters


def test_qwen_has_as_many_weights_as_transformers_gives_it():
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 2048,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "intermediate_size": 11_008,
            "vocab_size": 151_936,
            "tie_word_embeddings": True,
        },
        vision_config={
            "hidden_size": 1280,
            "depth": 32,
            "num_heads": 16,
            "intermediate_size": 3420,
            "out_hidden_size": 2048,
        },
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    assert sum(weight.numel() for weight in model.parameters()) == QWEN_3B.parameters


@pytest.mark.parametrize("shape", [LLAVA_7B, LLAVA_13B], ids=["7b", "13b"])
def test_a_folder_s_config_is_read_back(tmp_path: Path, shape: Shape):
    llava_config(shape).save_pretrained(tmp_path)
    assert shape_of(str(tmp_path)) == shape


def test_what_a_config_leaves_out_is_what_transformers_takes(tmp_path: Path):
    """The published config.json of 7b gives of its decoder little more than the vocabulary."""
    config = {"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32_064}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(str(tmp_path)) == LLAVA_7B


FIRST_LAYOUT = {
    "model_type": "llava_llama",
    "hidden_size": 5120,
    "intermediate_size": 13_824,
    "num_attention_heads": 40,
    "num_hidden_layers": 40,
    "num_key_value_heads": 40,
    "vocab_size": 32_000,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
}
"""As in config.json of liuhaotian/llava-v1.5-13b."""


def written(folder: Path, config: dict[str, object]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_13b_in_the_first_layout_has_the_sizes_of_its_conversion(tmp_path: Path):
    """32,000 words, <image> and <pad> fill 501 rows of 64: 32,064."""
    assert shape_of(written(tmp_path, FIRST_LAYOUT)) == LLAVA_13B


@pytest.mark.parametrize("inside", [True, False], ids=["whole CLIP", "its vision model"])
def test_the_tower_of_the_first_layout_may_be_a_folder(tmp_path: Path, inside: bool):
    """56 / 14 patches a side are 16 features, and the class token one more."""
    sizes = {"hidden_size": 24, "num_hidden_layers": 3, "image_size": 56, "patch_size": 14}
    tower = written(tmp_path / "clip", {"vision_config": sizes} if inside else sizes)
    changed = {"mm_vision_tower": tower, "mm_vision_select_feature": "cls_patch"}
    shape = shape_of(written(tmp_path / "model", FIRST_LAYOUT | changed))
    assert (shape.vision.hidden, shape.vision.layers, shape.image_tokens) == (24, 3, 17)


def test_a_tower_of_unknown_sizes_is_not_guessed(tmp_path: Path):
    model = written(tmp_path, FIRST_LAYOUT | {"mm_vision_tower": "google/siglip"})
    with pytest.raises(ConfigError, match="mm_vision_tower 'google/siglip'; known: openai/clip"):
        shape_of(model)


@pytest.mark.parametrize(
    "left",
    [
        {},
        {"vision_config": {}},
        {"vision_config": {"image_size": 336, "patch_size": 14}},
        {"text_config": {"num_hidden_layers": 40, "num_attention_heads": 16}},
        {"text_config": {"vocab_size": 32_064}, "tie_word_embeddings": True},
    ],
    ids=str,
)
def test_a_llava_that_leaves_sizes_out_is_as_large_as_transformers_makes_it(
    tmp_path: Path, left: dict[str, object]
):
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration(LlavaConfig(**left))
    found = shape_of(written(tmp_path, {"model_type": "llava", **left}))
    assert found.parameters == sum(weight.numel() for weight in model.parameters())


def test_a_qwen_that_leaves_sizes_out_is_as_large_as_transformers_makes_it(tmp_path: Path):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    left = {
        "text_config": {"num_hidden_layers": 2, "vocab_size": 151_936},
        "vision_config": {"hidden_size": 1280, "out_hidden_size": 8192},
    }
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**left))
    found = shape_of(written(tmp_path, {"model_type": "qwen2_5_vl", **left}))
    assert found.parameters == sum(weight.numel() for weight in model.parameters())


def test_fewer_layers_change_nothing_else():
    config = llava_config(LLAVA_7B, layers=2)
    assert config.text_config.num_hidden_layers == 2
    assert config.text_config.hidden_size == 4096
    assert (config.image_token_id, config.vision_feature_layer) == (32_000, -2)


def test_the_presets_models_are_known():
    from harness.settings.preset_files import read_preset

    for size in ("7b", "13b"):
        assert read_preset("dama", size).values["model.path"].value in KNOWN


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "its sizes are not known"),
        ('{"model_type": "bert"}', "model_type 'bert'; known: llava, qwen2_5_vl"),
        ("{}", "'model_type'"),
        ("no json", "not the configuration"),
        ('{"model_type": "llava", "text_config": 3}', "not the configuration"),
    ],
)
def test_a_wrong_config_is_told_with_its_file(tmp_path: Path, config: str | None, told: str):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ConfigError, match=told) as caught:
        shape_of(str(tmp_path))
    assert "config.json" in str(caught.value)
