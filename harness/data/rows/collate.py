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
    ) -> None:
        """Say where the parts of a batch come from.

        `kept` tells whether the features of an image are stored, so that it need not be decoded.
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
        images = distinct_images(pairs)
        numbers = {key: number for number, key in enumerate(images)}
        prompts = [self._with_slots(pair, numbers) for pair in pairs]
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
            image_refs=tuple(images.values()),
            images=self._decoded(images.values()),
            chosen=chosen,
            rejected=rejected,
            columns={name: values[picked] for name, values in self._columns.items()},
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


def distinct_images(pairs: Iterable[TokenizedPair]) -> dict[str, ImageRef]:
    """Return the first reference to each image by its key, in order of appearance."""
    first: dict[str, ImageRef] = {}
    for image in itertools.chain.from_iterable(pair.images for pair in pairs):
        first.setdefault(image.key, image)
    return first
