"""From row numbers to the tensors of one step."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from harness.data.images import ImageRef, open_image
from harness.data.rows.batch import PairTokens, ResponseMasks, TokenizedPair
from harness.data.rows.packing import pack
from harness.data.rows.views import Drawn, Pairs, Views
from harness.data.transforms import ImageTransform
from methods.segments import changed_in_batch
from methods.types import Mark, Segments, Statistic
from methods.views import View

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

Changed = tuple[Tensor, Tensor]
"""Masks over the response tokens of the chosen and of the rejected response."""

_SIDES = ("chosen", "rejected")
_KEPT_PAIRS = 32_768
"""Pairs whose segments are remembered, about a kilobyte each."""


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
        views: Views | None = None,
    ) -> None:
        """Say where the parts of a batch come from.

        `kept` tells whether the features of an image are stored, so that it need not be decoded;
        `marks` are the tokens that get a log-probability, or are told apart, besides responses, and
        `statistics` what the head computes beside log-probabilities; `views` draws what a pair has
        besides.
        """
        self._pairs = pairs
        self._image_id = image_id
        self._images = images
        self._changed = changed
        self._kept = kept
        self._columns = columns
        self._marks = marks
        self._statistics = statistics
        self._views = views

    def __call__(self, rows: Sequence[int], epoch: int = 0) -> PairTokens:
        """Return the batch of these rows, in this order, with what is drawn in an epoch."""
        if (views := self._views) is None:
            return self.pairs_alone(rows)
        tokens = self._row(rows, views=views.of(rows, views.declared, epoch))
        tokens = replace(tokens, divergence=views.divergence)
        if views.live and not views.divergence:
            return replace(tokens, live=self.of_reference(rows, views.live, epoch))
        if any(view.draw == "forward" for view in views.live):
            theirs = views.of(rows, views.declared, epoch, of_reference=True)
            return replace(tokens, live=self._row(rows, views=theirs))
        return tokens

    def pairs_alone(self, rows: Sequence[int]) -> PairTokens:
        """Return the batch without any views."""
        return self._row(rows)

    def of_reference(
        self, rows: Sequence[int], declared: Sequence[View], epoch: int = 0
    ) -> PairTokens:
        """Return a row of these views alone, as the reference sees them in an epoch."""
        assert self._views is not None
        drawn = self._views.of(rows, declared, epoch, of_reference=True)
        return self._row(rows, sides=(), views=drawn)

    def _row(
        self,
        rows: Sequence[int],
        sides: Sequence[str] = _SIDES,
        views: Mapping[str, Sequence[Drawn]] = MappingProxyType({}),
    ) -> PairTokens:
        pairs = [self._pairs[row] for row in rows]
        drawn = list(itertools.chain.from_iterable(views.values()))
        images = distinct_images(pairs) if sides else {}
        images |= {one.image.key: one.image for one in drawn if one.image.key not in images}
        numbers = {key: number for number, key in enumerate(images)}
        prompts = [self._with_slots(pair, pair.images, numbers) for pair in pairs if sides]
        responses = [self._scored(pair, getattr(pair, side)) for side in sides for pair in pairs]
        sequences = [
            prompt + response
            for prompt, response in zip(prompts * len(sides), responses, strict=True)
        ]
        starts = [len(prompt) for prompt in prompts] * len(sides)
        if "prompt" in self._marks:
            sequences, starts = sequences + prompts, starts + [1] * len(prompts)
        own = len(sequences)
        for pair, one in zip(pairs * len(views), drawn, strict=True):
            prompt = self._with_slots(pair, (one.image,), numbers)
            sequences, starts = [*sequences, prompt + one.response.tolist()], [*starts, len(prompt)]
        packed, places = pack(sequences, starts)
        chosen, rejected = self._masks(pairs, places[:own]) if sides else [_nothing(pairs)] * 2
        picked = torch.tensor(rows)
        return PairTokens(
            rows=tuple(rows),
            packed=packed,
            image_refs=tuple(images.values()),
            images=self._decoded(images.values(), {one.image.key: one.pixels for one in drawn}),
            chosen=chosen,
            rejected=rejected,
            columns={name: values[picked] for name, values in self._columns.items()},
            statistics=self._statistics,
            views=self._view_masks(pairs, views, places[own:]),
        )

    def _view_masks(
        self,
        pairs: Sequence[TokenizedPair],
        views: Mapping[str, Sequence[Drawn]],
        places: Sequence[Tensor],
    ) -> dict[str, ResponseMasks]:
        """Say where the response of each pair stands in each view."""
        found = {}
        for number, (name, drawn) in enumerate(views.items()):
            own = places[number * len(pairs) : (number + 1) * len(pairs)]
            side = drawn[0].side
            changed = [
                torch.zeros(len(one.response), dtype=torch.bool)
                if side == "other"
                else self._changed(pair)[_SIDES.index(side)][: len(one.response)]
                for pair, one in zip(pairs, drawn, strict=True)
            ]
            found[name] = ResponseMasks(
                mask=padded([torch.ones(len(one), dtype=torch.bool) for one in own]),
                changed=padded(changed),
                places=padded(own),
            )
        return found

    def _with_slots(
        self, pair: TokenizedPair, images: Sequence[ImageRef], numbers: Mapping[str, int]
    ) -> list[int]:
        """Name the feature that stands at each image token; `numbers` are the images', by key."""
        prompt = pair.prompt.tolist()
        tokens = prompt.count(self._image_id) // len(images)
        firsts = (numbers[image.key] * tokens for image in images)
        features = itertools.chain.from_iterable(range(i, i + tokens) for i in firsts)
        return [-1 - next(features) if i == self._image_id else i for i in prompt]

    def _decoded(
        self, images: Iterable[ImageRef], drawn: Mapping[str, Tensor | None]
    ) -> Float[Tensor, "images 3 height width"]:
        """Return the pixels of the images whose features are not kept, drawn ones among them."""
        found = [
            self._images.tensor(image) if (pixels := drawn.get(image.key)) is None else pixels
            for image in images
            if not self._kept(image)
        ]
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
            columns = {column: torch.zeros(count, width) for column in pairs[0].columns}
            for i, pair in enumerate(pairs):
                response, own = getattr(pair, name), places[side * count + i]
                mask[i, : len(response)] = True
                marked[i, : len(response)] = changed[i][side]
                for mark, there in _marked(pair, response, len(own), len(behind[i])).items():
                    if mark in marks:
                        marks[mark][i, there] = True
                found[i, : len(own) + len(behind[i])] = torch.cat([own, behind[i]])
                for column, values in columns.items():
                    values[i, : len(response)] = pair.columns[column][side]
            sides.append(ResponseMasks(mask, marked, places=found, marks=marks, columns=columns))
        return sides[0], sides[1]


def _nothing(pairs: Sequence[TokenizedPair]) -> ResponseMasks:
    """Return the masks of responses that are not in the row."""
    empty = torch.zeros(len(pairs), 0, dtype=torch.bool)
    return ResponseMasks(mask=empty, changed=empty, places=empty.long())


def padded(rows: Sequence[Tensor]) -> Tensor:
    """Stack rows, filled up with zeros to the longest."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


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
