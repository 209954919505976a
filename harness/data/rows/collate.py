"""From row numbers to the tensors of one step."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from harness.data.images import ImageRef, open_image
from harness.data.rows.batch import PairTokens, ResponseMasks, TokenizedPair
from harness.data.rows.packing import pack
from harness.data.transforms import ImageTransform
from methods.segments import changed_in_batch
from methods.types import Mark, Segments, Statistic

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

Changed = tuple[Tensor, Tensor]
"""Masks over the response tokens of the chosen and of the rejected response."""

_SIDES = ("chosen", "rejected")
_KEPT_PAIRS = 32_768
"""Pairs whose segments are remembered, about a kilobyte each."""


class Pairs(Protocol):
    """Tokenized pairs by row, in memory or not."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    def __getitem__(self, row: int, /) -> TokenizedPair:
        """Return a pair."""
        ...


class ImageStore:
    """Image tensors of pairs, the latest ones kept in memory up to `limit` bytes."""

    def __init__(
        self, preferences: "Preferences", transform: ImageTransform, limit: int = 2**30
    ) -> None:
        self._preferences = preferences
        self._transform = transform
        self._limit = limit
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def tensor(self, image: ImageRef) -> Float[Tensor, "3 height width"]:
        """Return an image, decoded where it is not among the latest."""
        if image.key not in self._kept:
            content = self._preferences[image.row].contents[image.place]
            pixels = self._transform(open_image(content))
            self._kept[image.key] = pixels
            if len(self._kept) * pixels.nbytes > self._limit:
                self._kept.popitem(last=False)
            return pixels
        self._kept.move_to_end(image.key)
        return self._kept[image.key]


class ChangedTokens:
    """Which response tokens lie in segments that differ; the latest pairs are remembered."""

    def __init__(self, segments: Segments, image_id: int) -> None:
        self._segments = segments
        self._image_id = image_id
        self._found: OrderedDict[int, Changed] = OrderedDict()

    def __call__(self, pair: TokenizedPair) -> Changed:
        """Return both masks; a pair is compared alone, as the published commands run them."""
        if pair.row not in self._found:
            # Faithful: the released code diffs before the image token is expanded.
            prompt = pair.unexpanded(self._image_id).tolist()
            whole = [prompt + side.tolist() for side in (pair.chosen, pair.rejected)]
            rule, min_match = self._segments
            masks = changed_in_batch([whole[0]], [whole[1]], rule, 0, min_match)[0]
            chosen, rejected = (torch.tensor(mask)[len(prompt) - 1 :] for mask in masks)
            self._found[pair.row] = (chosen, rejected)
            if len(self._found) > _KEPT_PAIRS:
                self._found.popitem(last=False)
        self._found.move_to_end(pair.row)
        return self._found[pair.row]


def no_segments(pair: TokenizedPair) -> Changed:
    """Mark nothing: for methods that do not weigh tokens."""
    return (
        torch.zeros(len(pair.chosen), dtype=torch.bool),
        torch.zeros(len(pair.rejected), dtype=torch.bool),
    )


def changed_by(segments: Segments | None, image_id: int) -> Callable[[TokenizedPair], Changed]:
    """Return what marks the changed tokens that a method asks for."""
    return no_segments if segments is None else ChangedTokens(segments, image_id)


class Collator:
    """Build the batch of a list of rows."""

    def __init__(
        self,
        pairs: Pairs,
        images: ImageStore,
        changed: Callable[[TokenizedPair], Changed],
        columns: Mapping[str, Float[Tensor, " all_rows"]],
        image_id: int,
        kept: Callable[[ImageRef], bool] = lambda image: False,
        marks: frozenset[Mark] = frozenset(),
        statistics: frozenset[Statistic] = frozenset(),
    ) -> None:
        """Say where the parts of a batch come from.

        `kept` tells whether the features of an image are stored, so that it need not be decoded;
        `marks` are the tokens that get a log-probability, or are told apart, besides responses, and
        `statistics` what the head computes beside log-probabilities.
        """
        self._pairs = pairs
        self._image_id = image_id
        self._images = images
        self._changed = changed
        self._kept = kept
        self._columns = columns
        self._marks = marks
        self._statistics = statistics

    def __call__(self, rows: Sequence[int]) -> PairTokens:
        """Return the batch of these rows, in this order."""
        pairs = [self._pairs[row] for row in rows]
        images = distinct_images(pairs)
        numbers = {key: number for number, key in enumerate(images)}
        prompts = [self._with_slots(pair, numbers) for pair in pairs]
        responses = [self._scored(pair, getattr(pair, side)) for side in _SIDES for pair in pairs]
        sequences = [
            prompt + response for prompt, response in zip(prompts * 2, responses, strict=True)
        ]
        starts = [len(prompt) for prompt in prompts] * 2
        if "prompt" in self._marks:
            sequences, starts = sequences + prompts, starts + [1] * len(prompts)
        packed, places = pack(sequences, starts)
        chosen, rejected = self._masks(pairs, places)
        picked = torch.tensor(rows)
        return PairTokens(
            rows=tuple(rows),
            packed=packed,
            image_refs=tuple(images.values()),
            images=self._decoded(images.values()),
            chosen=chosen,
            rejected=rejected,
            columns={name: values[picked] for name, values in self._columns.items()},
            statistics=self._statistics,
        )

    def _with_slots(self, pair: TokenizedPair, numbers: Mapping[str, int]) -> list[int]:
        """Name the feature that stands at each image token; `numbers` are the images', by key."""
        prompt = pair.prompt.tolist()
        tokens = prompt.count(self._image_id) // len(pair.images)
        firsts = (numbers[image.key] * tokens for image in pair.images)
        features = itertools.chain.from_iterable(range(i, i + tokens) for i in firsts)
        return [-1 - next(features) if i == self._image_id else i for i in prompt]

    def _decoded(self, images: Iterable[ImageRef]) -> Float[Tensor, "images 3 height width"]:
        found = [self._images.tensor(image) for image in images if not self._kept(image)]
        return torch.stack(found) if found else torch.zeros(0, 3, 0, 0)

    def _scored(self, pair: TokenizedPair, response: Tensor) -> list[int]:
        """Return the tokens behind the prompt that get a log-probability."""
        ids: list[int] = response.tolist()
        return [*ids, ids[-1]] if "end_again" in self._marks and _ended(pair, response) else ids

    def _masks(
        self, pairs: Sequence[TokenizedPair], places: Sequence[Tensor]
    ) -> tuple[ResponseMasks, ResponseMasks]:
        """Say where the response stands, which comes first in a row, and then what is marked."""
        count = len(pairs)
        changed = [self._changed(pair) for pair in pairs]
        behind = places[2 * count :] or [torch.zeros(0, dtype=torch.long)] * count
        width = max(len(places[i]) + len(behind[i % count]) for i in range(2 * count))
        sides = []
        for side, name in enumerate(_SIDES):
            empty = torch.zeros(count, width, dtype=torch.bool)
            mask, marked = empty.clone(), empty.clone()
            marks = {mark: empty.clone() for mark in sorted(self._marks)}
            found = torch.zeros(count, width, dtype=torch.long)
            for i, pair in enumerate(pairs):
                response, own = getattr(pair, name), places[side * count + i]
                mask[i, : len(response)] = True
                marked[i, : len(response)] = changed[i][side]
                for mark, there in _marked(pair, response, len(own), len(behind[i])).items():
                    if mark in marks:
                        marks[mark][i, there] = True
                found[i, : len(own) + len(behind[i])] = torch.cat([own, behind[i]])
            sides.append(ResponseMasks(mask=mask, changed=marked, places=found, marks=marks))
        return sides[0], sides[1]


def _ended(pair: TokenizedPair, response: Tensor) -> bool:
    """Say whether a response has its end token; of a pair that was cut, the longest has not."""
    return not pair.cut or len(response) < max(len(pair.chosen), len(pair.rejected))


def _marked(pair: TokenizedPair, response: Tensor, scored: int, prompt: int) -> dict[Mark, slice]:
    """Return where in a row of log-probabilities each kind of token stands."""
    length = len(response)
    return {
        "end": slice(length - 1, length if _ended(pair, response) else length - 1),
        "end_again": slice(length, scored),
        "prompt": slice(scored, scored + prompt),
    }


def distinct_images(pairs: Iterable[TokenizedPair]) -> dict[str, ImageRef]:
    """Return the first reference to each image by its key, in order of appearance."""
    first: dict[str, ImageRef] = {}
    for image in itertools.chain.from_iterable(pair.images for pair in pairs):
        first.setdefault(image.key, image)
    return first
