"""What all training steps that are compared run on: a random LLaVA, made pairs, one loss.

A policy starts from the reference and is moved a little, so that the loss is not log 2 for
everybody. The tokenizer knows one word per token, so that a trainer which starts from texts ends
at exactly the tokens of `made_pairs`.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.costs.shapes import Shape, VisionShape, llava_config
from harness.data.images import ImageTransform
from harness.data.rows.batch import TokenizedPair

PAD_ID, END_ID, UNKNOWN_ID, FIRST_WORD = 0, 2, 4, 10
PROMPT, QUESTION = 35, 25
"""Tokens before the image and after it, as in the 7b training data."""
BETA = 0.1
_MOVE = 1e-3
MIDDLE = Shape(
    family="llava",
    hidden=512,
    layers=8,
    heads=8,
    key_heads=8,
    intermediate=1376,
    vocabulary=32_000,
    image_tokens=576,
    vision=VisionShape(hidden=256, layers=6, heads=4, intermediate=1024, image=336, patch=14),
)


@dataclass(frozen=True)
class Size:
    """Model and batch; the defaults are those of the committed figures."""

    shape: Shape = MIDDLE
    pairs: int = 2
    response: int = 125
    """Tokens of a response on average, as in the 7b training data."""

    @property
    def image_id(self) -> int:
        """The last token, as `llava_config` puts it."""
        return self.shape.vocabulary - 1


def made_model(size: Size):
    """Return the reference: a random LLaVA with a frozen vision tower."""
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(0)
    llava = LlavaForConditionalGeneration(llava_config(size.shape))
    llava.model.vision_tower.requires_grad_(False)
    return llava


def made_policy(reference):
    """Return a copy whose trained weights are moved, the same way at every call."""
    policy, noise = copy.deepcopy(reference), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(_MOVE * torch.randn(weight.shape, generator=noise))
    return policy


def made_processor(size: Size):
    """Return the processor of the model; the text of token i is the word `w{i}`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    side = size.shape.vision.image
    words = {f"w{i}": i for i in range(size.shape.vocabulary)}
    named = {"<pad>": PAD_ID, "</s>": END_ID, "<unk>": UNKNOWN_ID, "<image>": size.image_id}
    kept = {word: i for word, i in words.items() if i not in named.values()}
    split = Tokenizer(models.WordLevel(kept | named, unk_token="<unk>"))
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
            extra_special_tokens={"image_token": "<image>"},
        ),
        patch_size=size.shape.vision.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


class Pictures:
    """Made pictures by key. A tensor is made from its picture anew at each step, as in training."""

    def __init__(self, size: Size, processor) -> None:
        self._side = size.shape.vision.image
        self._transform = ImageTransform(processor, "center_crop")

    def picture(self, key: str) -> Image.Image:
        rng = np.random.default_rng(int(key))
        return Image.fromarray(rng.integers(0, 256, (self._side, self._side, 3), dtype=np.uint8))

    def tensor(self, _row: int, key: str) -> Tensor:
        return self._transform(self.picture(key))


def made_pairs(size: Size) -> list[TokenizedPair]:
    """Return pairs with one system text, a picture of their own, and random words."""
    rng = torch.Generator().manual_seed(1)

    def tokens(length: int) -> Tensor:
        return torch.randint(FIRST_WORD, size.image_id, (length,), generator=rng, dtype=torch.int32)

    def length() -> int:
        least, most = size.response // 2, size.response * 3 // 2
        return int(torch.randint(least, most, (1,), generator=rng))

    start = tokens(PROMPT)
    image = torch.full((size.shape.image_tokens,), size.image_id, dtype=torch.int32)
    return [
        TokenizedPair(
            row=row,
            prompt=torch.cat([start, image, tokens(QUESTION)]),
            chosen=tokens(length()),
            rejected=tokens(length()),
            image_key=str(row),
        )
        for row in range(size.pairs)
    ]


def dpo(policy: Tensor, reference: Tensor) -> Tensor:
    """Return the DPO loss of summed log-probabilities, all chosen ones first."""
    chosen, rejected = (policy - reference).chunk(2)
    return -F.logsigmoid(BETA * (chosen - rejected)).mean()
