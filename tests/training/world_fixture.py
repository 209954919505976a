"""A random LLaVA of a few thousand weights and a handful of preference pairs, made on the spot."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

SYSTEM_WORDS = (
    "A chat between a curious user and an artificial intelligence assistant. USER: ASSISTANT:"
)
COLOURS = ("red", "green", "blue", "white", "black", "yellow")
THINGS = ("dog", "cat", "car", "tree", "house", "boat")


def sentence(rng: np.random.Generator) -> str:
    colour, thing, other = rng.choice(COLOURS), rng.choice(THINGS), rng.choice(THINGS)
    return f"There is a {colour} {thing} next to the {other}."


def png(rng: np.random.Generator, width: int = 60, height: int = 50) -> bytes:
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    images = [png(rng) for _ in range(max(1, count // 2))]
    made = []
    for i in range(count):
        chosen = " ".join(sentence(rng) for _ in range(1 + i % 3))
        made.append(
            {
                "ds_name": "tiny",
                "image": {"bytes": images[i % len(images)], "path": None},
                "question": f"What is in the picture, please, number {i}?",
                "chosen": chosen,
                "rejected": chosen + " " + sentence(rng),
                "origin_dataset": "made",
                "origin_split": json.dumps({"model": "none", "type": "detail"}),
                "idx": str(i),
                "image_path": f"{i}.png",
                "clip_gap": float(rng.normal(scale=0.3)),
            }
        )
    return made


def write_rows(path: Path, values: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(values), path)
    return path


def tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for row in rows(30) for text in (row["question"], row["chosen"])]
    bpe.train_from_iterator([*texts, SYSTEM_WORDS], trainer)
    bpe.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


def write_base(folder: Path, hidden: int = 32) -> Path:
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokens = tokenizer()
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=48,
            patch_size=16,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokens.bos_token_id,
            eos_token_id=tokens.eos_token_id,
            pad_token_id=tokens.pad_token_id,
            tie_word_embeddings=False,
        ),
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            # Larger than usual, so that a random model has opinions.
            weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}
        ),
        tokenizer=tokens,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder
