"""A random Qwen2.5-VL of a few thousand weights, with its special tokens and its processor."""

from pathlib import Path

import torch
import world_fixture
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    Qwen2VLVideoProcessor,
)

SPECIAL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
]
SIDE, PATCH, TOKENS = 48, 8, 9
"""Images of 6 x 6 patches, merged two by two."""
SIZES = {
    **{"patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2},
    "size": {"shortest_edge": (2 * PATCH) ** 2, "longest_edge": SIDE**2},
}


def image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(**SIZES)


def make_tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for row in world_fixture.rows(30) for text in (row["question"], row["chosen"])]
    bpe.train_from_iterator([*texts, "You are a helpful assistant. user"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def make_config(tokens: PreTrainedTokenizerFast, tied: bool) -> Qwen2_5_VLConfig:
    ids = dict(zip(SPECIAL, tokens.convert_tokens_to_ids(SPECIAL), strict=True))
    return Qwen2_5_VLConfig(
        vision_config={
            **{"depth": 2, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32},
            **{"patch_size": PATCH, "window_size": 4 * PATCH, "fullatt_block_indexes": [1]},
            "out_hidden_size": 32,
        },
        text_config={
            **{"vocab_size": len(tokens), "hidden_size": 32, "intermediate_size": 64},
            **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
            "max_position_embeddings": 512,
            "rope_parameters": {
                **{"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            },
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": tied,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=tied,
    )


def write_qwen(folder: Path, tied: bool = False) -> Path:
    tokens = make_tokenizer()
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(make_config(tokens, tied))
    with torch.no_grad():
        for weight in model.parameters():
            # Larger than usual, so that a random model has opinions.
            weight.add_(0.1 * torch.randn_like(weight))
    model.generation_config.repetition_penalty = 1.05  # as the published ones have
    model.save_pretrained(folder)
    Qwen2_5_VLProcessor(
        image_processor=image_processor(),
        tokenizer=tokens,
        video_processor=Qwen2VLVideoProcessor(**SIZES),
    ).save_pretrained(folder)
    return folder
