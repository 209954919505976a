"""Tokenizer and processor of the base model."""

from collections.abc import Iterable
from typing import Any

from harness.data.templates import IMAGE, TEMPLATES
from harness.world.draw import CELL, SIDE

PAD, BOS, EOS = "<pad>", "<s>", "</s>"


def make_tokenizer(texts: Iterable[str], size: int) -> Any:
    """Train a byte-level BPE tokenizer in the Hugging Face format.

    The two system texts are a token each: they are constant, and a model of a million parameters
    should not spend a third of its time on reading them.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BOS, EOS, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens(
        [AddedToken(template.system, normalized=False) for template in TEMPLATES.values()]
    )
    bpe.post_processor = TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, bpe.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE},
        model_input_names=["input_ids", "attention_mask"],
        padding_side="left",
    )


def make_clip_tokenizer(tokenizer: Any) -> Any:
    """Return the same tokenizer as open_clip wants it: the end after each text, then padding."""
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    # A sentence stands alone here; with a space before it, its first word is one it knows.
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.post_processor = TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, tokenizer.eos_token_id)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=EOS, pad_token=PAD)


def make_processor(tokenizer: Any) -> Any:
    """Return a LLaVA processor for images of this world."""
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=CELL,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
