"""AMBER: from counts of descriptions and answers to the printed numbers.

Source: AMBER, inference.py at 534babf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

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


def aggregate(scores: Sequence[Score]) -> dict[str, float]:
    """Return the printed numbers of the tasks that have answers.

    `amber_score` needs both tasks; no script computes it. Source: AMBER, README.
    """
    descriptions = [score for score in scores if isinstance(score, Description)]
    answers = [score for score in scores if isinstance(score, Answer)]
    metrics = generative(descriptions) if descriptions else {}
    metrics |= discriminative(answers)
    if "chair" in metrics and "f1" in metrics:
        # Rounded half up in decimal, as all published rows are.
        total = (100 - Decimal(str(metrics["chair"])) + Decimal(str(metrics["f1"]))) / 2
        metrics["amber_score"] = float(total.quantize(Decimal("0.1"), ROUND_HALF_UP))
    return metrics


def generative(scores: Sequence[Description]) -> dict[str, float]:
    """Return CHAIR, Cover, Hal and Cog, pooled over all descriptions, in percent."""

    def share(part: str, whole: str) -> float:
        counted = sum(len(getattr(score, part)) for score in scores)
        return float(counted / _count(sum(len(getattr(score, whole)) for score in scores)) * 100)

    clean = sum(not score.hallucinated for score in scores)
    return {
        "chair": round(share("hallucinated", "objects"), 1),
        "cover": round(share("covered", "truths"), 1),
        # Faithful: one clean description prints 0.1.
        "hal": round(100 - clean / _count(len(scores)) * 100, 1),
        # Faithful: of the annotated likely hallucinations, not of the objects mentioned.
        "cog": round(share("cognition", "likely"), 1),
    }


def discriminative(scores: Sequence[Answer]) -> dict[str, float]:
    """Return accuracy, precision, recall and F1 of "No", overall and by kind, in percent."""
    metrics = dict(_judged(scores, "")) if scores else {}
    for kind in ("existence", "attribute", "relation"):
        chosen = [score for score in scores if score.kind.split("/")[0] == kind]
        if chosen:
            # Faithful: three counters are added up for attributes, and F1 of existence has
            # an epsilon of its own.
            counters = 3 if kind == "attribute" else 1
            f1_epsilon = 0.001 if kind == "existence" else 0.0001
            metrics |= _judged(chosen, f"{kind}/", counters, f1_epsilon)
    for kind in ("attribute/state", "attribute/number", "attribute/action"):
        chosen = [score for score in scores if score.kind == kind]
        if chosen:
            metrics |= _judged(chosen, f"{kind}/")
    return metrics


def _judged(
    scores: Sequence[Answer], prefix: str, counters: int = 1, f1_epsilon: float = 0.0001
) -> dict[str, float]:
    right = sum(score.answer == score.truth.capitalize() for score in scores)
    answered_no = [score for score in scores if score.answer == "No"]
    rightly_no = sum(score.truth == "no" for score in answered_no)
    truly_no = sum(score.truth == "no" for score in scores)
    accuracy = round(right / _count(len(scores), counters) * 100, 1)
    precision = round(rightly_no / _count(len(answered_no), counters) * 100, 1)
    recall = round(rightly_no / _count(truly_no, counters) * 100, 1)
    # Faithful: from precision and recall as printed.
    p, r = precision / 100, recall / 100
    f1 = round(2 * p * r / (p + r + f1_epsilon) * 100, 1)
    names = ("accuracy", "precision", "recall", "f1")
    values = (accuracy, precision, recall, f1)
    return {prefix + name: value for name, value in zip(names, values, strict=True)}


def _count(value: int, counters: int = 1) -> float:
    return value + counters * EPSILON
