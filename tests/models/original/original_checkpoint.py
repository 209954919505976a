"""A tiny LLaVA written in the layout of liuhaotian/llava-v1.5-7b, with its CLIP beside it."""

import io
import json
from pathlib import Path
from typing import Any, Literal

import torch
import world_fixture
from safetensors.torch import save_file
from torch import Tensor

WORDS = 360
"""Of the tokenizer; 362 with <image> and <pad>, and 384 is the next multiple of 64."""
ROWS = 384
HIDDEN = 32
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 48,
    "patch_size": 16,
    "projection_dim": 8,
}

Form = Literal["safetensors", "bin"]


def hugging_face_model() -> Any:
    """The same model as transformers has it: rows from WORDS on are the mean of the others."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=LlamaConfig(
            vocab_size=ROWS,
            hidden_size=HIDDEN,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            rms_norm_eps=1e-5,
            pad_token_id=WORDS + 1,
            tie_word_embeddings=False,
        ),
        image_token_id=WORDS,
        image_seq_length=9,
        tie_word_embeddings=False,
    )
    torch.manual_seed(3)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
        for module in (model.get_input_embeddings(), model.get_output_embeddings()):
            module.weight[WORDS:] = module.weight[:WORDS].mean(dim=0)
    return model.eval()


def original_weights(model: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights under their original names: of the checkpoint, and of CLIP."""
    checkpoint, clip = {}, {}
    for name, weight in model.state_dict().items():
        if name.startswith("model.vision_tower."):
            clip["vision_model." + name.removeprefix("model.vision_tower.")] = weight.clone()
            continue
        original = name.replace("model.language_model.", "model.")
        original = original.replace("model.multi_modal_projector.linear_1", "model.mm_projector.0")
        original = original.replace("model.multi_modal_projector.linear_2", "model.mm_projector.2")
        rows = WORDS if weight.shape[0] == ROWS else weight.shape[0]
        checkpoint[original] = weight[:rows].clone()
    return checkpoint, clip


def write_original(folder: Path, clip: Path, model: Any, form: Form) -> Path:
    weights, tower = original_weights(model)
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "image_aspect_ratio": "pad",
        "intermediate_size": 64,
        "max_position_embeddings": 256,
        "mm_hidden_size": 16,
        "mm_projector_type": "mlp2x_gelu",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": str(clip),
        "model_type": "llava",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": WORDS,
    }
    (folder / "config.json").write_text(json.dumps(config))
    names = sorted(weights)
    write_weights(folder, [names[::2], names[1::2]], weights, form)
    write_tokenizer(folder)
    write_clip(clip, tower, form)
    return folder


def write_weights(
    folder: Path, shards: list[list[str]], weights: dict[str, Tensor], form: Form
) -> None:
    stem = "model" if form == "safetensors" else "pytorch_model"
    places = {}
    for number, names in enumerate(shards, start=1):
        file = f"{stem}-{number:05d}-of-{len(shards):05d}.{form}"
        places |= dict.fromkeys(names, file)
        save({name: weights[name] for name in names}, folder / file)
    index = {"metadata": {}, "weight_map": places}
    (folder / f"{stem}.{form}.index.json").write_text(json.dumps(index))


def save(weights: dict[str, Tensor], file: Path) -> None:
    if file.suffix == ".bin":
        torch.save(weights, file)
    else:
        save_file(weights, file, metadata={"format": "pt"})


def write_clip(folder: Path, tower: dict[str, Tensor], form: Form) -> None:
    from transformers import CLIPImageProcessorPil

    folder.mkdir(parents=True)
    places = torch.arange(10)[None]
    extra = {"vision_model.embeddings.position_ids": places, "logit_scale": torch.ones(1)}
    name = "model.safetensors" if form == "safetensors" else "pytorch_model.bin"
    save(tower | extra, folder / name)
    config = {"model_type": "clip", "vision_config": VISION, "text_config": {}}
    (folder / "config.json").write_text(json.dumps(config))
    CLIPImageProcessorPil(
        size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}
    ).save_pretrained(folder)


def write_tokenizer(folder: Path) -> None:
    import sentencepiece

    texts = [text for row in world_fixture.rows(30) for text in (row["question"], row["chosen"])]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*texts, world_fixture.SYSTEM_WORDS]),
        model_writer=model,
        model_type="bpe",
        vocab_size=WORDS,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        pad_id=-1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "legacy": False,
        "padding_side": "right",
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
