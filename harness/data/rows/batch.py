"""Pairs as token ids: one by one, and as a rank's share of one batch."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.data.images import ImageRef
from harness.data.rows.packing import PackedRow
from harness.data.templates import Template
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.data.pairs.preferences import PreferencePair

_CHUNK = 250
"""Pairs that the tokenizer gets at once: enough to be fast, few enough images in memory."""


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of one pair; images are already expanded, the end token belongs to a response."""

    row: int
    prompt: Int[Tensor, " prompt"]
    chosen: Int[Tensor, " chosen"]
    rejected: Int[Tensor, " rejected"]
    images: tuple[ImageRef, ...]
    """In the order of the prompt; all have as many tokens in it."""
    cut: bool = False
    """Whether a response lost its end at `max_length`."""

    @property
    def positions(self) -> int:
        """Most positions that the pair takes in a row of its own."""
        return len(self.prompt) + len(self.chosen) + len(self.rejected)

    def unexpanded(self, image_id: int) -> Int[Tensor, " ids"]:
        """Return the prompt with one token for each image."""
        is_image = self.prompt == image_id
        tokens = int(is_image.sum()) // len(self.images)
        is_first = (is_image.cumsum(0) - 1) % tokens == 0
        return self.prompt[~is_image | is_first]


@dataclass(frozen=True)
class ResponseMasks:
    """Where the responses of one side lie in tensors `[pairs, tokens]` of response tokens."""

    mask: Bool[Tensor, "pairs tokens"]
    changed: Bool[Tensor, "pairs tokens"]
    places: Int[Tensor, "pairs tokens"]
    """Where a token's log-probability stands among those of the packed row; 0 outside the mask."""


@dataclass(frozen=True)
class PairTokens:
    """What one rank runs in one step."""

    rows: tuple[int, ...]
    packed: PackedRow
    image_refs: tuple[ImageRef, ...]
    """The distinct images: pairs that share one share its features."""
    images: Float[Tensor, "images 3 height width"]
    """The distinct images, in that order, but for those whose features are kept."""
    chosen: ResponseMasks
    rejected: ResponseMasks
    columns: Mapping[str, Float[Tensor, " pairs"]]

    def to(self, device: torch.device) -> "PairTokens":
        """Return the same batch on a device, without waiting for what that has still to do."""
        if device.type == "cpu":
            return self
        return replace(
            self,
            packed=self.packed.to(device),
            images=self.images.to(device, non_blocking=True),
            chosen=_moved(self.chosen, device),
            rejected=_moved(self.rejected, device),
            columns={
                name: values.to(device, non_blocking=True) for name, values in self.columns.items()
            },
        )


def _moved(masks: ResponseMasks, device: torch.device) -> ResponseMasks:
    return ResponseMasks(
        mask=masks.mask.to(device, non_blocking=True),
        changed=masks.changed.to(device, non_blocking=True),
        places=masks.places.to(device, non_blocking=True),
    )


class PairTokenizer:
    """Turn pairs into token ids with one tokenizer and template.

    A sequence is the tokenized text of prompt and response as a whole, so that tokenizers which
    merge over spaces see what they saw in training, and then the template's end token.
    """

    def __init__(
        self, processor: Any, template: Template, image_tokens: int, max_length: int
    ) -> None:
        self._tokenizer = processor.tokenizer
        self.image_id = int(processor.image_token_id)
        self._end_id = template.end_id(self._tokenizer)
        self.template = template
        self.image_tokens = image_tokens
        self.max_length = max_length

    def tokenize(self, pairs: Iterable["PreferencePair"]) -> Iterator[TokenizedPair]:
        """Yield the pairs as token ids; a few hundred are in memory at a time.

        Raises:
            DataError: A prompt alone fills `max_length`, or a text holds the image token.
        """
        waiting = iter(pairs)
        while chunk := list(islice(waiting, _CHUNK)):
            yield from self._chunk(chunk)

    def _chunk(self, pairs: list["PreferencePair"]) -> list[TokenizedPair]:
        prompts = [self.template.prompt(pair.question) for pair in pairs]
        sides = [
            [
                self.template.joined(prompt, getattr(pair, side))
                for prompt, pair in zip(prompts, pairs, strict=True)
            ]
            for side in ("chosen", "rejected")
        ]
        encoded = self._tokenizer(prompts + sides[0] + sides[1])["input_ids"]
        count = len(pairs)
        return [
            self._pair(pair, encoded[i], encoded[count + i], encoded[2 * count + i])
            for i, pair in enumerate(pairs)
        ]

    def _pair(
        self, pair: "PreferencePair", prompt: list[int], chosen: list[int], rejected: list[int]
    ) -> TokenizedPair:
        # A tokenizer may merge the end of the prompt with the start of a response.
        together = zip(prompt, chosen, rejected, strict=False)
        shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, together))
        head = self._expanded(prompt[:shared], pair.row)
        room = self.max_length - len(head)
        if room < 1:
            raise DataError(
                f"row {pair.row}: the prompt has {len(head)} tokens with its image, and "
                f"max_length is {self.max_length}. Raise data.max_length or remove the row."
            )
        sides = [[*ids[shared:], self._end_id] for ids in (chosen, rejected)]
        if any(self.image_id in ids for ids in sides):
            raise DataError(
                f"row {pair.row}: a response holds the image token, where there is no image. "
                "Remove it from the text, or remove the row."
            )
        # Faithful: what is too long loses its end, the end token included, each response alone.
        return TokenizedPair(
            row=pair.row,
            prompt=torch.tensor(head, dtype=torch.int32),
            chosen=torch.tensor(sides[0][:room], dtype=torch.int32),
            rejected=torch.tensor(sides[1][:room], dtype=torch.int32),
            images=pair.images,
            cut=any(len(ids) > room for ids in sides),
        )

    def _expanded(self, ids: list[int], row: int) -> list[int]:
        if ids.count(self.image_id) != 1:
            raise DataError(
                f"row {row}: the prompt has {ids.count(self.image_id)} image tokens instead of "
                "one. The question must not contain it, and the tokenizer must know it."
            )
        place = ids.index(self.image_id)
        return ids[:place] + [self.image_id] * self.image_tokens + ids[place + 1 :]
