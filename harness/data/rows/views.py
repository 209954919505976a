"""What a method's views of a pair are: drawn pictures, and the responses that are scored on them.

A draw is a function of the run's seed, the pair, the epoch and the view, so that it can be made
again by anybody at any time.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.image_operations import OPERATIONS
from harness.errors import ConfigError, DataError
from harness.files.digests import text_digest
from harness.settings.spec import RunSpec
from methods.types import Method
from methods.views import View, reads_divergence, views_of

OWN, OTHER = "own", "other"
_TRIES = 1000
"""Draws after which a data set counts as one of a single picture."""


class Pairs(Protocol):
    """Tokenized pairs by row."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    def __getitem__(self, row: int, /) -> TokenizedPair:
        """Return a pair."""
        ...


class Drawn(NamedTuple):
    """A view of one pair."""

    image: ImageRef
    pixels: Float[Tensor, "3 height width"] | None
    """None where the picture is one of the data set."""
    response: Int[Tensor, " tokens"]
    side: str
    """Which response of the pair that is, as in `View`."""


@dataclass(frozen=True)
class Views:
    """The views of a run.

    Args:
        declared: By the method.
        seed: The run's.
        pairs: All of them.
        pixels: Of a picture of the data set.
        max_length: Most tokens of a prompt with its response.
        divergence: Whether the reference runs on the pairs too, in every step.
    """

    declared: tuple[View, ...]
    seed: int
    pairs: Pairs
    pixels: Callable[[ImageRef], Tensor]
    max_length: int
    divergence: bool = False

    def __post_init__(self) -> None:
        known = (OWN, OTHER, *OPERATIONS)
        for view in self.declared:
            if view.image not in known:
                raise ConfigError(
                    f"view {view.name!r}: no image operation {view.image!r}. Choose one of "
                    f"{', '.join(known)}."
                )

    @property
    def fixed(self) -> tuple[View, ...]:
        """Those of which the reference is known before the first step."""
        if self.divergence:
            return ()
        return tuple(one for one in self.declared if one.reference and one.draw == "once")

    @property
    def live(self) -> tuple[View, ...]:
        """Those that the reference scores in every step."""
        return tuple(one for one in self.declared if one.reference and one not in self.fixed)

    def of(
        self, rows: Sequence[int], views: Sequence[View], epoch: int, of_reference: bool = False
    ) -> dict[str, list[Drawn]]:
        """Return some views of these rows by name, see `draw`."""
        pairs = [self.pairs[row] for row in rows]
        return {
            view.name: [self.draw(view, pair, epoch, of_reference) for pair in pairs]
            for view in views
        }

    def draw(self, view: View, pair: TokenizedPair, epoch: int, of_reference: bool) -> Drawn:
        """Return a view of a pair, as the policy or as the reference sees it in an epoch."""
        at = "once" if view.draw == "once" else f"epoch {epoch}"
        partner = self._partner(pair, at) if OTHER in (view.image, view.response) else pair
        response = partner.chosen if view.response == OTHER else getattr(pair, view.response)
        response = response[: max(1, self.max_length - len(pair.prompt))]
        image = (partner if view.image == OTHER else pair).images[0]
        if view.image in (OWN, OTHER):
            return Drawn(image, None, response, view.response)
        whose = "reference" if of_reference and view.draw == "forward" else "both"
        named = f"{pair.row} {at} {view.name} {whose}"
        pixels = OPERATIONS[view.image](self.pixels(image), _seeded(self.seed, named))
        drawn = ImageRef(pair.row, 0, f"{view.image} {named}")
        return Drawn(drawn, pixels, response, view.response)

    def positions(self, pair: TokenizedPair) -> int:
        """Return the most positions that the views of a pair add to its row."""
        return sum(
            self.max_length
            if view.response == OTHER
            else len(pair.prompt) + len(getattr(pair, view.response))
            for view in self.declared
        )

    def _partner(self, pair: TokenizedPair, at: str) -> TokenizedPair:
        """Draw another pair with another picture, with the same question where there is one."""
        rng, own = _seeded(self.seed, f"{pair.row} {at} other"), pair.images[0].key
        alike = [
            row for row in self._alike[_question(pair)] if self.pairs[row].images[0].key != own
        ]
        if alike:
            return self.pairs[alike[int(torch.randint(len(alike), (1,), generator=rng))]]
        for _ in range(_TRIES):
            found = self.pairs[int(torch.randint(len(self.pairs), (1,), generator=rng))]
            if found.images[0].key != own:
                return found
        raise DataError(
            f"row {pair.row}: a view asks for another picture of the data set, and there is none. "
            "Give pairs of several pictures."
        )

    @cached_property
    def _alike(self) -> Mapping[str, Sequence[int]]:
        rows: dict[str, list[int]] = defaultdict(list)
        for row in range(len(self.pairs)):
            rows[_question(self.pairs[row])].append(row)
        return rows


def views_of_run(
    method: Method[Any, Any], spec: RunSpec, pairs: Pairs, pixels: Callable[[ImageRef], Tensor]
) -> Views | None:
    """Return what a method reads beside the pairs of a run; None where that is nothing."""
    declared = views_of(method, method.config.model_validate(spec.config))
    divergence = reads_divergence(method)
    if not declared and not divergence:
        return None
    return Views(declared, spec.seed, pairs, pixels, spec.data.max_length, divergence)


def _question(pair: TokenizedPair) -> str:
    return text_digest(pair.prompt.numpy().tobytes())


def _seeded(seed: int, named: str) -> torch.Generator:
    return torch.Generator().manual_seed(int(text_digest(f"{seed} {named}", digits=15), 16))
