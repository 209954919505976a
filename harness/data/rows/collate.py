"""From row numbers to the tensors of one step."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from harness.data.images import ImageTransform, open_image
from harness.data.rows.batch import PairTokens, ResponseMasks, TokenizedPair
from harness.data.rows.packing import pack
from methods.segments import changed_in_batch
from methods.types import Segments

if TYPE_CHECKING:
    from harness.data.pairs.preferences import Preferences

Changed = tuple[Tensor, Tensor]
"""Masks over the response tokens of the chosen and of the rejected response."""

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
    """Image tensors by pair, the latest ones kept in memory up to `limit` bytes."""

    def __init__(
        self, preferences: "Preferences", transform: ImageTransform, limit: int = 2**30
    ) -> None:
        self._preferences = preferences
        self._transform = transform
        self._limit = limit
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def tensor(self, row: int, key: str) -> Float[Tensor, "3 height width"]:
        """Return the image of a row; `key` is equal for equal images."""
        if key not in self._kept:
            pixels = self._transform(open_image(self._preferences[row].image))
            self._kept[key] = pixels
            if len(self._kept) * pixels.nbytes > self._limit:
                self._kept.popitem(last=False)
            return pixels
        self._kept.move_to_end(key)
        return self._kept[key]


class ChangedTokens:
    """Which response tokens lie in segments that differ; the latest pairs are remembered."""

    def __init__(self, segments: Segments, image_id: int) -> None:
        self._segments = segments
        self._image_id = image_id
        self._found: OrderedDict[int, Changed] = OrderedDict()

    def __call__(self, pair: TokenizedPair) -> Changed:
        """Return both masks; a pair is compared alone, as the published commands run them."""
        if pair.row not in self._found:
            prompt = self._with_one_image_token(pair.prompt.tolist())
            whole = [prompt + side.tolist() for side in (pair.chosen, pair.rejected)]
            rule, min_match = self._segments
            masks = changed_in_batch([whole[0]], [whole[1]], rule, 0, min_match)[0]
            chosen, rejected = (torch.tensor(mask)[len(prompt) - 1 :] for mask in masks)
            self._found[pair.row] = (chosen, rejected)
            if len(self._found) > _KEPT_PAIRS:
                self._found.popitem(last=False)
        self._found.move_to_end(pair.row)
        return self._found[pair.row]

    def _with_one_image_token(self, prompt: list[int]) -> list[int]:
        # Faithful: the released code diffs before the image token is expanded.
        place = prompt.index(self._image_id)
        return prompt[: place + 1] + [i for i in prompt[place + 1 :] if i != self._image_id]


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
        kept: Callable[[int], bool] = lambda row: False,
    ) -> None:
        """Say where the parts of a batch come from.

        `kept` tells of a row whether the features of its image are stored, so that the image need
        not be decoded.
        """
        self._pairs = pairs
        self._image_id = image_id
        self._images = images
        self._changed = changed
        self._kept = kept
        self._columns = columns

    def __call__(self, rows: Sequence[int]) -> PairTokens:
        """Return the batch of these rows, in this order."""
        pairs = [self._pairs[row] for row in rows]
        image_rows, image_of_pair = _distinct_images(pairs)
        prompts = [
            self._with_slots(pair.prompt.tolist(), image)
            for pair, image in zip(pairs, image_of_pair, strict=True)
        ]
        responses = [*(pair.chosen for pair in pairs), *(pair.rejected for pair in pairs)]
        packed, places = pack(
            [
                prompt + response.tolist()
                for prompt, response in zip(prompts * 2, responses, strict=True)
            ],
            [len(prompt) for prompt in prompts] * 2,
        )
        chosen, rejected = self._masks(pairs, places)
        picked = torch.tensor(rows)
        return PairTokens(
            rows=tuple(rows),
            packed=packed,
            image_rows=image_rows,
            images=self._decoded(image_rows),
            chosen=chosen,
            rejected=rejected,
            columns={name: values[picked] for name, values in self._columns.items()},
        )

    def _with_slots(self, prompt: list[int], image: int) -> list[int]:
        """Name the feature that stands at each image token; every image has as many."""
        features = itertools.count(image * prompt.count(self._image_id))
        return [-1 - next(features) if i == self._image_id else i for i in prompt]

    def _decoded(self, rows: Sequence[int]) -> Float[Tensor, "images 3 height width"]:
        found = [
            self._images.tensor(row, self._pairs[row].image_key)
            for row in rows
            if not self._kept(row)
        ]
        return torch.stack(found) if found else torch.zeros(0, 3, 0, 0)

    def _masks(
        self, pairs: Sequence[TokenizedPair], places: Sequence[Tensor]
    ) -> tuple[ResponseMasks, ResponseMasks]:
        width = max(max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
        changed = [self._changed(pair) for pair in pairs]
        lengths = [(len(pair.chosen), len(pair.rejected)) for pair in pairs]
        sides = []
        for side in (0, 1):
            mask = torch.zeros(len(pairs), width, dtype=torch.bool)
            marked = torch.zeros(len(pairs), width, dtype=torch.bool)
            found = torch.zeros(len(pairs), width, dtype=torch.long)
            for i, length in enumerate(lengths):
                mask[i, : length[side]] = True
                marked[i, : length[side]] = changed[i][side]
                found[i, : length[side]] = places[side * len(pairs) + i]
            sides.append(ResponseMasks(mask=mask, changed=marked, places=found))
        return sides[0], sides[1]


def _distinct_images(pairs: Sequence[TokenizedPair]) -> tuple[tuple[int, ...], list[int]]:
    """Return a row of each image, and for each pair the place of its image among them."""
    first: dict[str, int] = {}
    for pair in pairs:
        first.setdefault(pair.image_key, pair.row)
    places = {key: place for place, key in enumerate(first)}
    return tuple(first.values()), [places[pair.image_key] for pair in pairs]
