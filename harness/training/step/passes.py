"""One step in one or several passes of a device, with the same loss and gradient.

A loss may depend on every pair of the batch: DAMA's beta does. So where a device's share is too
large for one pass, all of it runs forward without gradients first, the loss is taken of the whole
share, and its gradient with respect to the log-probabilities is then carried back pass by pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.training.step.live_reference import LiveReference
from harness.training.step.policy import TokenLogps
from harness.training.step.protocols import Engine
from methods.types import Statistic


@dataclass(frozen=True)
class Share:
    """What a loss reads of all pairs of a device besides their log-probabilities."""

    rows: tuple[int, ...]
    chosen: ResponseMasks
    rejected: ResponseMasks
    columns: Mapping[str, Float[Tensor, " pairs"]]
    views: Mapping[str, ResponseMasks] = field(default_factory=dict)
    divergence: bool = False
    statistics: frozenset[Statistic] = frozenset()

    @classmethod
    def of(cls, passes: Sequence[PairTokens]) -> Self:
        """Join the passes of a step."""
        if len(passes) == 1:
            (one,) = passes
            return cls(
                *(one.rows, one.chosen, one.rejected, one.columns, one.views, one.divergence),
                statistics=one.statistics,
            )
        return cls(
            rows=tuple(row for one in passes for row in one.rows),
            chosen=_joined_masks([one.chosen for one in passes]),
            rejected=_joined_masks([one.rejected for one in passes]),
            columns={
                name: torch.cat([one.columns[name] for one in passes]) for name in passes[0].columns
            },
            views={
                name: _joined_masks([one.views[name] for one in passes]) for name in passes[0].views
            },
            divergence=passes[0].divergence,
            statistics=passes[0].statistics,
        )


class Passes:
    """The passes of one step on this device.

    Args:
        engine: What runs them.
        features: Image features of a pass; kept from the first run to the second.
        passes: The pairs of this device, in order.
        live: The reference, where it runs in every step.
    """

    def __init__(
        self,
        engine: Engine,
        features: Callable[[PairTokens], Tensor],
        passes: Sequence[PairTokens],
        live: LiveReference | None = None,
    ) -> None:
        self._engine = engine
        self._passes = passes
        self._features = [features(tokens) for tokens in passes]
        self._logps: TokenLogps | None = None
        self._live = [
            live.of(tokens, own, features)
            for tokens, own in zip(passes, self._features, strict=True)
            if live is not None
        ]

    @property
    def live(self) -> TokenLogps | None:
        """What the reference said of all pairs in this step, if it was asked."""
        return joined([one.logps for one in self._live]) if self._live else None

    def forward(self) -> TokenLogps:
        """Return the log-probabilities of all pairs, from which a loss can be taken."""
        if len(self._passes) == 1:
            return self._run(0)
        with torch.no_grad():
            self._logps = joined([self._run(i) for i in range(len(self._passes))])
        for values in self._logps.differentiable:
            values.requires_grad_()
        return self._logps

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the loss to those of the weights."""
        if self._logps is None:
            self._engine.backward(loss, last=True)
            return
        slopes = torch.autograd.grad(loss, self._logps.differentiable, materialize_grads=True)
        first = 0
        for i, tokens in enumerate(self._passes):
            pairs = slice(first, first := first + len(tokens.rows))
            carried = [
                (values * slope[pairs, : values.shape[1]]).sum()
                for values, slope in zip(self._run(i).differentiable, slopes, strict=True)
            ]
            whole = reduce(torch.add, carried)
            self._engine.backward(whole, last=i + 1 == len(self._passes))

    def _run(self, i: int) -> TokenLogps:
        compared = self._live[i].hidden_and_head if self._live else ()
        return TokenLogps(*self._engine(self._passes[i], self._features[i], *compared))


def joined(parts: Sequence[TokenLogps]) -> TokenLogps:
    """Return the log-probabilities of the pairs of several passes, in order."""
    if len(parts) == 1:
        return parts[0]
    return TokenLogps(
        chosen=_joined([part.chosen for part in parts]),
        rejected=_joined([part.rejected for part in parts]),
        statistics=tuple(map(_joined, zip(*(part.statistics for part in parts), strict=True))),
        views=tuple(map(_joined, zip(*(part.views for part in parts), strict=True))),
        divergence=tuple(map(_joined, zip(*(part.divergence for part in parts), strict=True))),
    )


def split(
    shares: Sequence[Sequence[int]],
    mine: int,
    size: Callable[[int], int],
    pairs: int | None,
    tokens: int | None,
) -> list[list[int]]:
    """Return the rows of each pass of a device.

    All devices get the same number of passes, since they meet in each.

    Args:
        shares: Rows of every device, equally many.
        mine: This device among them.
        size: Most positions that a row can take.
        pairs: Most rows of a pass; None for any number.
        tokens: Most positions of a pass, unless one row alone has more; None for any number.
    """
    filled = [_fill(share, size, pairs, tokens) for share in shares]
    count = max(map(len, filled))
    found = filled[mine]
    while len(found) < count:
        largest = max(range(len(found)), key=lambda i: len(found[i]))
        half = len(found[largest]) // 2
        found[largest : largest + 1] = [found[largest][:half], found[largest][half:]]
    return found


def _fill(
    share: Sequence[int], size: Callable[[int], int], pairs: int | None, tokens: int | None
) -> list[list[int]]:
    if pairs is None and tokens is None:
        return [list(share)]
    found: list[list[int]] = []
    held = 0
    for row in share:
        new = size(row) if tokens is not None else 0
        full = tokens is not None and held + new > tokens
        if not found or full or len(found[-1]) == pairs:
            found.append([])
            held = 0
        found[-1].append(row)
        held += new
    return found


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Stack `[pairs, tokens]` of several passes, filled up with zeros to one width."""
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts])


def _joined_masks(parts: Sequence[ResponseMasks]) -> ResponseMasks:
    return ResponseMasks(
        mask=_joined([part.mask for part in parts]),
        changed=_joined([part.changed for part in parts]),
        places=_joined([part.places for part in parts]),
        marks={name: _joined([part.marks[name] for part in parts]) for name in parts[0].marks},
        columns={
            name: _joined([part.columns[name] for part in parts]) for name in parts[0].columns
        },
    )
