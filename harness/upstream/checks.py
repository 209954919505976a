"""What a complete benchmark holds: counts of the samples that `Benchmark.read` returns.

Source: the published files and papers; the same counts that the published scripts rely on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.mmhal import TYPES
from benchmarks.types import Sample


@dataclass(frozen=True)
class Check:
    """One thing counted."""

    what: str
    expected: Any
    found: Any

    @property
    def ok(self) -> bool:
        """Tell whether it is as published."""
        return bool(self.expected == self.found)


AMBER_TYPES = {
    "generative": (1_004, None),
    "discriminative-hallucination": (4_924, 0),
    "discriminative-attribute-state": (4_764, 2_382),
    "discriminative-attribute-number": (2_072, 1_036),
    "discriminative-attribute-action": (792, 396),
    "discriminative-relation": (975, 975),
    "relation": (689, 0),
}
"""Questions of each type, and how many of them have the answer yes."""

LLAVA_BENCH_CATEGORIES = {"conv": 17, "detail": 15, "complex": 28}

MM_VET_INTEGRATIONS = {
    "rec know gen": 62,
    "rec": 37,
    "ocr spat": 26,
    "ocr spat math": 14,
    "rec spat": 12,
    "ocr": 12,
    "ocr math": 11,
    "rec know": 9,
    "rec ocr know gen": 8,
    "rec ocr spat gen": 8,
    "rec ocr spat": 7,
    "rec ocr": 4,
    "ocr spat know": 3,
    "rec spat know": 2,
    "ocr spat gen": 2,
    "rec ocr spat math": 1,
}
"""Questions by the exact set of capabilities that they need."""


def object_halbench(samples: Sequence[Sample]) -> list[Check]:
    """Count images and prompts: one prompt each, drawn from eight."""
    return [
        Check("images", 300, len({sample.id for sample in samples})),
        Check("distinct prompts", 8, len({sample.question for sample in samples})),
    ]


def amber(samples: Sequence[Sample]) -> list[Check]:
    """Count the questions of each type, their answers yes, and the words that are objects."""
    checks = [Check("questions", 15_220, len(samples))]
    for kind, (expected, expected_yes) in AMBER_TYPES.items():
        chosen = [sample for sample in samples if sample.category == kind]
        checks.append(Check(kind, expected, len(chosen)))
        if expected_yes is not None:
            yes = sum(sample.reference["truth"] == "yes" for sample in chosen)
            checks.append(Check(f"{kind}, answer yes", expected_yes, yes))
    words = samples[0].reference["words"].objects if samples else ()
    return [*checks, Check("words of relation.json", 418, len(words))]


def mmhal(samples: Sequence[Sample]) -> list[Check]:
    """Count the questions; the type of each follows from its index, as the script takes it."""
    wrong = [
        index
        for index, sample in enumerate(samples)
        if sample.category != TYPES[index % len(TYPES)]
    ]
    return [
        Check("questions", 96, len(samples)),
        Check("indices whose type is not that of index modulo 8", [], wrong),
    ]


def llava_bench(samples: Sequence[Sample]) -> list[Check]:
    """Count the questions by category."""
    found = Counter(sample.category for sample in samples)
    by_category = [Check(name, n, found[name]) for name, n in LLAVA_BENCH_CATEGORIES.items()]
    return [Check("questions", 60, len(samples)), *by_category]


def mm_vet(samples: Sequence[Sample]) -> list[Check]:
    """Count the questions by the exact set of capabilities that they need."""
    found = Counter(frozenset(sample.reference["capabilities"]) for sample in samples)
    expected = {frozenset(names.split()): n for names, n in MM_VET_INTEGRATIONS.items()}
    by_set = [Check(" ".join(sorted(names)), n, found[names]) for names, n in expected.items()]
    others = sum(n for names, n in found.items() if names not in expected)
    return [
        Check("questions", 218, len(samples)),
        *by_set,
        Check("questions with another set of capabilities", 0, others),
    ]


CHECKS: dict[str, Callable[[Sequence[Sample]], list[Check]]] = {
    "object_halbench": object_halbench,
    "amber": amber,
    "mmhal": mmhal,
    "llava_bench": llava_bench,
    "mm_vet": mm_vet,
}
"""By the name of the benchmark."""
