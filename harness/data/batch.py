"""Pairs as token ids: one by one, and as a rank's share of one batch."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.data.packing import PackedRow
from harness.data.preferences import PreferencePair
from harness.data.templates import Template
from harness.errors import ConfigError, DataError

_CHUNK = 1000
_NAMED_ROWS = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of one pair; the image is already expanded, the end token belongs to a response."""

    row: int
    prompt: Int[Tensor, " prompt"]
    chosen: Int[Tensor, " chosen"]
    rejected: Int[Tensor, " rejected"]
    image_key: str


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
    images: Float[Tensor, "images 3 height width"]
    """Distinct images: pairs that share one share its features."""
    chosen: ResponseMasks
    rejected: ResponseMasks
    columns: Mapping[str, Float[Tensor, " pairs"]]

    def to(self, device: torch.device) -> "PairTokens":
        """Return the same batch on a device."""
        if device.type == "cpu":
            return self
        return replace(
            self,
            packed=self.packed.to(device),
            images=self.images.to(device),
            chosen=_moved(self.chosen, device),
            rejected=_moved(self.rejected, device),
            columns={name: values.to(device) for name, values in self.columns.items()},
        )


def _moved(masks: ResponseMasks, device: torch.device) -> ResponseMasks:
    return ResponseMasks(
        mask=masks.mask.to(device),
        changed=masks.changed.to(device),
        places=masks.places.to(device),
    )


class PairTokenizer:
    """Turn pairs into token ids with one tokenizer and template.

    A sequence is the tokenized text `prompt + " " + response` as a whole, so that tokenizers which
    merge over spaces see what they saw in training, and then the end-of-sequence token.
    """

    def __init__(
        self, processor: Any, template: Template, image_tokens: int, max_length: int
    ) -> None:
        self._tokenizer = processor.tokenizer
        self._image_id = int(processor.image_token_id)
        self._end_id = self._tokenizer.eos_token_id
        if self._end_id is None:
            raise ConfigError("The model's tokenizer has no end-of-sequence token; set eos_token.")
        self._template = template
        self._image_tokens = image_tokens
        self._max_length = max_length
        self.truncated: list[int] = []
        """Rows of the responses cut at `max_length` so far; a row twice where both were cut."""

    def tokenize(self, pairs: Iterable[PreferencePair]) -> list[TokenizedPair]:
        """Tokenize all pairs and log how many responses were cut.

        Raises:
            DataError: A prompt alone fills `max_length`, or a text holds the image token.
        """
        result: list[TokenizedPair] = []
        waiting: list[PreferencePair] = []
        for pair in pairs:
            waiting.append(pair)
            if len(waiting) == _CHUNK:
                result += self._chunk(waiting)
                waiting = []
        result += self._chunk(waiting) if waiting else []
        if self.truncated:
            _log.warning(
                "%d of %d responses were cut at max_length %d, the first ones in rows %s",
                len(self.truncated),
                2 * len(result),
                self._max_length,
                ", ".join(map(str, dict.fromkeys(self.truncated[:_NAMED_ROWS]))),
            )
        return result

    def _chunk(self, pairs: list[PreferencePair]) -> list[TokenizedPair]:
        prompts = [self._template.prompt(pair.question) for pair in pairs]
        sides = [
            [f"{prompt} {getattr(pair, side)}" for prompt, pair in zip(prompts, pairs, strict=True)]
            for side in ("chosen", "rejected")
        ]
        encoded = self._tokenizer(prompts + sides[0] + sides[1])["input_ids"]
        count = len(pairs)
        return [
            self._pair(pair, encoded[i], encoded[count + i], encoded[2 * count + i])
            for i, pair in enumerate(pairs)
        ]

    def _pair(
        self, pair: PreferencePair, prompt: list[int], chosen: list[int], rejected: list[int]
    ) -> TokenizedPair:
        # A tokenizer may merge the end of the prompt with the start of a response.
        together = zip(prompt, chosen, rejected, strict=False)
        shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, together))
        head = self._expanded(prompt[:shared], pair.row)
        room = self._max_length - len(head)
        if room < 1:
            raise DataError(
                f"row {pair.row}: the prompt has {len(head)} tokens with its image, and "
                f"max_length is {self._max_length}. Raise data.max_length or remove the row."
            )
        sides = [[*ids[shared:], self._end_id] for ids in (chosen, rejected)]
        if any(self._image_id in ids for ids in sides):
            raise DataError(
                f"row {pair.row}: a response holds the image token, where there is no image. "
                "Remove it from the text, or remove the row."
            )
        # Faithful: what is too long loses its end, the end token included, each response alone.
        self.truncated += [pair.row for ids in sides if len(ids) > room]
        return TokenizedPair(
            row=pair.row,
            prompt=torch.tensor(head, dtype=torch.int32),
            chosen=torch.tensor(sides[0][:room], dtype=torch.int32),
            rejected=torch.tensor(sides[1][:room], dtype=torch.int32),
            image_key=pair.image_key,
        )

    def _expanded(self, ids: list[int], row: int) -> list[int]:
        if ids.count(self._image_id) != 1:
            raise DataError(
                f"row {row}: the prompt has {ids.count(self._image_id)} image tokens instead of "
                "one. The question must not contain it, and the tokenizer must know it."
            )
        place = ids.index(self._image_id)
        return ids[:place] + [self._image_id] * self._image_tokens + ids[place + 1 :]
