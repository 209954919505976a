"""AMBER: from counts of descriptions and answers to the printed numbers.

Source: AMBER, inference.py at 534babf.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from benchmarks.types import Rounding, Sums, unrounded

EPSILON = 0.001
"""Every counter of a denominator starts here. Source: AMBER, data/metrics.txt."""


@dataclass(frozen=True)
class Description:
    """The words that count in one description, repeats included; metrics only ask how many."""

    objects: tuple[str, ...] = ()
    """Mentioned words of the vocabulary."""
    hallucinated: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    """Annotated truths that are mentioned."""
    truths: tuple[str, ...] = ()
    cognition: tuple[str, ...] = ()
    """Annotated likely hallucinations that are mentioned."""
    likely: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """One answer to a yes-or-no question; anything but "Yes" and "No" is neither."""

    kind: str
    truth: Literal["yes", "no"]
    answer: str

    @property
    def verdict(self) -> str:
        """Say how the answer counts."""
        return "right" if self.answer == self.truth.capitalize() else "wrong"


Score = Description | Answer

SHARES = {
    "chair": ("hallucinated", "objects"),
    "cover": ("covered", "truths"),
    # Faithful: of the annotated likely hallucinations, not of the objects mentioned.
    "cog": ("cognition", "likely"),
}
GENERATIVE = ("chair", "cover", "hal", "cog")
DISCRIMINATIVE = ("accuracy", "precision", "recall", "f1")
GROUPS = (
    "",
    "existence/",
    "attribute/",
    "relation/",
    "attribute/state/",
    "attribute/number/",
    "attribute/action/",
)
"""Beginnings of the names of what is counted of answers."""


def aggregate(scores: Sequence[Score]) -> dict[str, float]:
    """Return the printed numbers of the tasks that have answers.

    `amber_score` needs both tasks; no script computes it. Source: AMBER, README.
    """
    totals = SUMS.added(scores)
    names = list(GENERATIVE if "descriptions" in totals else ())
    groups = [group for group in GROUPS if f"{group}answers" in totals]
    names += [group + name for group in groups for name in DISCRIMINATIVE]
    if "descriptions" in totals and "answers" in totals:
        names.append("amber_score")
    return {name: metric(name, totals, round) for name in names}


def stored(row: Mapping[str, Any]) -> Score:
    """Read a score back."""
    if "truth" in row:
        return Answer(row["kind"], row["truth"], row["answer"])
    parts = ("objects", "hallucinated", "covered", "truths", "cognition", "likely")
    return Description(*(tuple(row[part]) for part in parts))


def sums_of(score: Score) -> dict[str, int]:
    """Return the counts of a description or of an answer, these also by kind of question."""
    if isinstance(score, Description):
        parts = [part for share in SHARES.values() for part in share]
        counts = {part: len(getattr(score, part)) for part in parts}
        return counts | {"clean": int(not score.hallucinated), "descriptions": 1}
    no, truly_no = score.answer == "No", score.truth == "no"
    right = score.answer == score.truth.capitalize()
    return {
        group + name: int(value)
        for group in _groups(score.kind)
        for name, value in (
            ("answers", True),
            ("right", right),
            ("no", no),
            ("truly_no", truly_no),
            ("rightly_no", no and truly_no),
        )
    }


def _groups(kind: str) -> dict[str, None]:
    """Return the beginnings of the names that a kind of question is counted under."""
    return dict.fromkeys(("", f"{kind.split('/')[0]}/", f"{kind}/"))


def metric(name: str, totals: Mapping[str, Any], rounded: Rounding) -> Any:
    """Return one number, in percent; `amber_score` in points."""
    if name == "amber_score":
        chair, f1 = (metric(part, totals, rounded) for part in ("chair", "f1"))
        return _amber_score(chair, f1, rounded)
    if name == "hal":
        # Faithful: one clean description prints 0.1.
        return rounded(100 - totals["clean"] / _count(totals["descriptions"]) * 100, 1)
    if name in SHARES:
        part, whole = SHARES[name]
        return rounded(totals[part] / _count(totals[whole]) * 100, 1)
    group, slash, last = name.rpartition("/")
    return _of_answers(last, group + slash, totals, rounded)


def _amber_score(chair: Any, f1: Any, rounded: Rounding) -> Any:
    if rounded is unrounded:
        return (100 - chair + f1) / 2
    # Rounded half up in decimal, as all published rows are.
    total = (100 - Decimal(str(chair)) + Decimal(str(f1))) / 2
    return float(total.quantize(Decimal("0.1"), ROUND_HALF_UP))


def _of_answers(name: str, group: str, totals: Mapping[str, Any], rounded: Rounding) -> Any:
    """Return accuracy, precision, recall or F1 of "No" of a group of questions."""
    # Faithful: three counters are added up for attributes, and F1 of existence has an epsilon of
    # its own.
    counters = 3 if group == "attribute/" else 1
    if name == "f1":
        epsilon = 0.001 if group == "existence/" else 0.0001
        # Faithful: from precision and recall as printed.
        p, r = (_of_answers(one, group, totals, rounded) / 100 for one in ("precision", "recall"))
        return rounded(2 * p * r / (p + r + epsilon) * 100, 1)
    part, whole = {
        "accuracy": ("right", "answers"),
        "precision": ("rightly_no", "no"),
        "recall": ("rightly_no", "truly_no"),
    }[name]
    return rounded(totals[group + part] / _count(totals[group + whole], counters) * 100, 1)


def _count(value: Any, counters: int = 1) -> Any:
    return value + counters * EPSILON


SUMS: Sums[Score] = Sums(stored, sums_of, metric)
