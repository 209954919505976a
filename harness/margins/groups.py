"""Pairs by hardness, and how their margins and reward gaps are on average."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.margins.records import PairMargins

PARTS = 5
"""Groups of equally many pairs."""
HARDNESS, MISLABELLED = "hardness", "mislabelled"
"""What the tiny world's pairs tell of themselves in `origin_split`."""
_KINDS = ("obvious", "plain", "subtle")


@dataclass(frozen=True)
class Group:
    """Pairs that are about as hard; all numbers are means in nats, without beta."""

    name: str
    pairs: int
    span: tuple[float, float] | None
    """Least and greatest clip_gap, where it parts the groups."""
    before: float
    """Margin of the chosen response over the rejected one under the base model."""
    after: float
    """The same under the trained model."""
    reward_gap: float
    grown: float
    """Percentage of pairs of which the margin has grown."""


def by_clip_gap(pairs: Sequence[PairMargins]) -> list[Group]:
    """Return fifths of the pairs from hard to easy; none where clip_gap of too few is known."""
    known = [(one.clip_gap, one) for one in pairs if one.clip_gap is not None]
    if len(known) < PARTS:
        return []
    known.sort(key=lambda gap_and_pair: gap_and_pair[0])
    ends = [len(known) * part // PARTS for part in range(PARTS + 1)]
    return [_fifth(part + 1, known[ends[part] : ends[part + 1]]) for part in range(PARTS)]


def _fifth(part: int, known: Sequence[tuple[float, PairMargins]]) -> Group:
    end = {1: ", hardest", PARTS: ", easiest"}.get(part, "")
    span = known[0][0], known[-1][0]
    return _group(f"fifth {part}{end}", [one for _, one in known], span)


def by_kind(pairs: Sequence[PairMargins]) -> list[Group]:
    """Return the kinds that the data name, the tiny world's in their order, mislabelled last."""
    kinds: dict[str, list[PairMargins]] = {}
    for one in pairs:
        if kind := kind_of(one):
            kinds.setdefault(kind, []).append(one)
    order = (*_KINDS, *sorted(kinds.keys() - {*_KINDS, MISLABELLED}), MISLABELLED)
    return [_group(kind, kinds[kind]) for kind in order if kind in kinds]


def kind_of(pair: PairMargins) -> str | None:
    """Return how hard the data say a pair is; None where they do not."""
    if pair.origin.get(MISLABELLED) == "yes":
        return MISLABELLED
    return pair.origin.get(HARDNESS)


def everything(pairs: Sequence[PairMargins]) -> Group:
    """Return all pairs as one group."""
    return _group("all", pairs)


def _group(
    name: str, pairs: Sequence[PairMargins], span: tuple[float, float] | None = None
) -> Group:
    return Group(
        name,
        len(pairs),
        span,
        fmean(one.base.margin for one in pairs),
        fmean(one.trained.margin for one in pairs),
        fmean(one.reward_gap for one in pairs),
        100 * fmean(one.reward_gap > 0 for one in pairs),
    )


def spanned(name: str, span: tuple[float, float] | None) -> str:
    """Return the name of a group with the clip_gap of its pairs."""
    return name if span is None else f"{name}: {span[0]:+.2f} to {span[1]:+.2f}"
