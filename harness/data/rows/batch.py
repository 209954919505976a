"""Pairs as token ids: one by one, and as a rank's share of one batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain, islice, repeat, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.data.columns.tokens.spans import PairSpans, values_at
from harness.data.images import ImageRef
from harness.data.pairs.texts import Texts
from harness.data.rows.packing import PackedRow
from harness.data.templates import Template
from harness.errors import ConfigError, DataError
from methods.types import Mark, Statistic

if TYPE_CHECKING:
    from harness.data.pairs.preferences import PreferencePair

_CHUNK = 250
"""Pairs that the tokenizer gets at once: enough to be fast, few enough images in memory."""
_NO_CHARACTER = -1
"""Of a token that stands for none: the end, and what a tokenizer adds."""


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
    columns: Mapping[str, tuple[Float[Tensor, " chosen"], Float[Tensor, " rejected"]]] = field(
        default_factory=dict
    )
    """Numbers of each token of both responses, by the name of the token column."""

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
    """Where a token's log-probability stands among those of the packed row; 0 outside the masks."""
    marks: Mapping[Mark, Bool[Tensor, "pairs tokens"]] = field(default_factory=dict)
    """What else a method asked for, see `methods.types.Mark`."""
    columns: Mapping[str, Float[Tensor, "pairs tokens"]] = field(default_factory=dict)
    """Numbers of each token, by name; zero outside `mask`."""

    @property
    def scored(self) -> Bool[Tensor, "pairs tokens"]:
        """Where there is a log-probability."""
        return reduce(torch.logical_or, self.marks.values(), self.mask)


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
    statistics: frozenset[Statistic] = frozenset()
    """What is asked of the distributions over all words."""
    views: Mapping[str, ResponseMasks] = field(default_factory=dict)
    """What else the row holds of each pair, by name."""
    divergence: bool = False
    """Whether the divergence from the reference is asked for."""
    live: "PairTokens | None" = None
    """What the reference runs in this step; None where that is nothing, or the same."""

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
            views={name: _moved(one, device) for name, one in self.views.items()},
            live=self.live and self.live.to(device),
        )


def _moved(masks: ResponseMasks, device: torch.device) -> ResponseMasks:
    return ResponseMasks(
        mask=masks.mask.to(device, non_blocking=True),
        changed=masks.changed.to(device, non_blocking=True),
        places=masks.places.to(device, non_blocking=True),
        marks={name: one.to(device, non_blocking=True) for name, one in masks.marks.items()},
        columns={name: one.to(device, non_blocking=True) for name, one in masks.columns.items()},
    )


class _Ids(NamedTuple):
    """Token ids of one pair before images are expanded and responses are cut."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    ends: Sequence[Sequence[int]] = ()
    """Of each token of the chosen and of the rejected response its last character in it, if any;
    a negative number where that is none, or lies before the response."""


class PairTokenizer:
    """Turn pairs into token ids with one tokenizer and template.

    A sequence is the tokenized text of prompt and response as a whole, so that tokenizers which
    merge over spaces see what they saw in training, and then the template's end token.
    """

    def __init__(
        self, processor: Any, template: Template, image_tokens: int, max_length: int
    ) -> None:
        """Say what decides the tokens.

        Raises:
            ConfigError: An image alone fills `max_length`, or the tokenizer has no end token.
        """
        self._tokenizer = processor.tokenizer
        self.image_id = int(processor.image_token_id)
        self._end_id = template.end_id(self._tokenizer)
        if max_length <= image_tokens:
            raise ConfigError(
                f"data.max_length {max_length} leaves no room for text beside the {image_tokens} "
                "tokens of an image. Raise it."
            )
        self.template = template
        self.image_tokens = image_tokens
        self.max_length = max_length

    def require_offsets(self) -> None:
        """Refuse a tokenizer that does not tell which characters a token stands for.

        Raises:
            ConfigError: It is one without offsets.
        """
        if not getattr(self._tokenizer, "is_fast", False):
            raise ConfigError(
                f"The model's tokenizer, {type(self._tokenizer).__name__}, does not tell which "
                "characters its tokens stand for, which a method with token columns needs. Use a "
                "model with a tokenizer.json: a fast tokenizer does."
            )

    def tokenize(
        self,
        pairs: Iterable["PreferencePair"],
        spans: Iterable[Mapping[str, PairSpans]] | None = None,
    ) -> Iterator[TokenizedPair]:
        """Yield the pairs as token ids; a few hundred are in memory at a time.

        Args:
            pairs: The pairs.
            spans: Of each pair those of the token columns, by name; None where there are none.

        Raises:
            DataError: A prompt alone fills `max_length`, or a text holds the image token.
            ConfigError: There are spans, and the tokenizer has no offsets.
        """
        if spans is not None:
            self.require_offsets()
        waiting = iter(pairs)
        columns = repeat({}) if spans is None else iter(spans)
        while chunk := list(islice(waiting, _CHUNK)):
            encoded = self._encoded(
                [Texts(one.question, one.chosen, one.rejected, one.history) for one in chunk],
                offsets=spans is not None,
            )
            for pair, ids in zip(chunk, encoded, strict=True):
                yield self._pair(pair, ids, next(columns))

    def faults(self, texts: Iterable[Texts]) -> Iterator[str | None]:
        """Yield for each question and its responses why they cannot be trained on, or None.

        That is what `tokenize` refuses, and responses without any difference: equal ones have no
        gradient.
        """
        waiting = iter(texts)
        while chunk := list(islice(waiting, _CHUNK)):
            for ids in self._encoded(chunk):
                yield self._refusal(ids) or self._sameness(ids)

    def _encoded(self, texts: Sequence[Texts], offsets: bool = False) -> Iterator[_Ids]:
        prompts = [self.template.prompt(one.question, one.history) for one in texts]
        chosen = (one.chosen for one in texts)
        rejected = (one.rejected for one in texts)
        sides = [
            self.template.joined(prompt, response)
            for responses in (chosen, rejected)
            for prompt, response in zip(prompts, responses, strict=True)
        ]
        more = {"return_offsets_mapping": True} if offsets else {}
        encoded = self._tokenizer(prompts + sides, **more)
        ids, count = encoded["input_ids"], len(texts)
        split = map(self._split, ids[:count], ids[count : 2 * count], ids[2 * count :])
        if not offsets:
            return split
        responses = (one.chosen for one in texts), (one.rejected for one in texts)
        starts = [
            len(side) - len(response)
            for side, response in zip(sides, chain(*responses), strict=True)
        ]
        ends = list(map(_last_characters, encoded["offset_mapping"][count:], starts))
        both = zip(ends[:count], ends[count:], strict=True)
        return (
            one._replace(ends=[[*side[len(one.prompt) :], _NO_CHARACTER] for side in of_pair])
            for one, of_pair in zip(split, both, strict=True)
        )

    def _split(self, prompt: list[int], chosen: list[int], rejected: list[int]) -> _Ids:
        # A tokenizer may merge the end of the prompt with the start of a response.
        together = zip(prompt, chosen, rejected, strict=False)
        shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, together))
        end = [self._end_id]
        return _Ids(prompt[:shared], chosen[shared:] + end, rejected[shared:] + end)

    def _room(self, ids: _Ids) -> int:
        """Return how many tokens are left for a response."""
        return self.max_length - (len(ids.prompt) - 1 + self.image_tokens)

    def _refusal(self, ids: _Ids) -> str | None:
        if (images := ids.prompt.count(self.image_id)) != 1:
            return f"the prompt has {images} image tokens instead of one"
        if (room := self._room(ids)) < 1:
            return (
                f"the prompt has {self.max_length - room} tokens with its image, and max_length is "
                f"{self.max_length}"
            )
        if self.image_id in (*ids.chosen, *ids.rejected):
            return "a response holds the image token, where there is no image"
        return None

    def _sameness(self, ids: _Ids) -> str | None:
        room = self._room(ids)
        if ids.chosen[:room] != ids.rejected[:room]:
            return None
        cut = max(len(ids.chosen), len(ids.rejected)) > room
        part = f"the {room} tokens that max_length leaves" if cut else "all tokens"
        return f"chosen equals rejected in {part}"

    def _pair(
        self, pair: "PreferencePair", ids: _Ids, columns: Mapping[str, PairSpans]
    ) -> TokenizedPair:
        if reason := self._refusal(ids):
            raise DataError(
                f"row {pair.row}: {reason}. Correct or remove the row, or raise data.max_length."
            )
        room = self._room(ids)
        place = ids.prompt.index(self.image_id)
        images = [self.image_id] * self.image_tokens
        # Faithful: what is too long loses its end, the end token included, each response alone.
        return TokenizedPair(
            row=pair.row,
            prompt=torch.tensor(
                ids.prompt[:place] + images + ids.prompt[place + 1 :], dtype=torch.int32
            ),
            chosen=torch.tensor(ids.chosen[:room], dtype=torch.int32),
            rejected=torch.tensor(ids.rejected[:room], dtype=torch.int32),
            images=pair.images,
            cut=max(len(ids.chosen), len(ids.rejected)) > room,
            columns={name: _numbers(ids.ends, spans, room) for name, spans in columns.items()},
        )


def _last_characters(offsets: Sequence[tuple[int, int]], start: int) -> list[int]:
    """Return the last character of each token, counted from where the response starts."""
    return [end - 1 - start if end > begin else _NO_CHARACTER for begin, end in offsets]


def _numbers(
    ends: Sequence[Sequence[int]], spans: PairSpans, room: int
) -> tuple[Float[Tensor, " chosen"], Float[Tensor, " rejected"]]:
    """Return the numbers of the tokens of both responses that are left by `max_length`."""
    chosen, rejected = (
        torch.tensor(values_at(side[:room], own), dtype=torch.float32)
        for side, own in zip(ends, spans, strict=True)
    )
    return chosen, rejected
