"""A tokenizer of one word per token, and the processor around it."""

from typing import Any

from harness.costs.shapes import Shape
from harness.gpu_check.made import END, PAD, UNKNOWN, image_id


def made_processor(shape: Shape) -> Any:
    """Return the processor of a made model; the text of token i is the word `w{i}`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    side = shape.vision.image
    named = {"<pad>": PAD, "</s>": END, "<unk>": UNKNOWN, "<image>": image_id(shape)}
    taken = set(named.values())
    words = {f"w{i}": i for i in range(shape.vocabulary) if i not in taken}
    split = Tokenizer(models.WordLevel(words | named, unk_token="<unk>"))
    split.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=split,
            pad_token="<pad>",
            eos_token="</s>",
            unk_token="<unk>",
            padding_side="left",
            extra_special_tokens={"image_token": "<image>"},
        ),
        patch_size=shape.vision.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
