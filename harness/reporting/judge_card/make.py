"""Make the card of a judge: let it grade public answers, and compare."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from harness.console import messages
from harness.registry import load_benchmark
from harness.reporting.judge_card.agreement import agreement, itself
from harness.reporting.judge_card.card import Card, Entry
from harness.reporting.judge_card.public import Asked, Judged, PublicSet, judge_set, paired


def make_card(sets: Sequence[PublicSet], ours: Asked, theirs: Asked) -> Card:
    """Let two judges grade public answers, or compare one with the public replies.

    Args:
        sets: The answers.
        ours: Whose card it is.
        theirs: With whom it is compared.
    """
    entries = []
    for one in sets:
        messages.print(f"{one.benchmark}: {one.model}", markup=False)
        entries.append(_entry(one, judge_set(one, ours), judge_set(one, theirs)))
    asked = f"{ours.judge}{f' {ours.profile}' if ours.profile else ''}"
    return Card(
        asked=asked,
        against=theirs.judge,
        made=datetime.now(UTC).replace(microsecond=0),
        entries=tuple(entries),
    )


def _entry(one: PublicSet, ours: Judged, theirs: Judged) -> Entry:
    benchmark = load_benchmark(one.benchmark)
    grades, others = paired(ours, theirs)
    bad: Any = benchmark.hallucinates and np.vectorize(benchmark.hallucinates, otypes=[bool])
    return Entry(
        benchmark=one.benchmark,
        model=one.model,
        judge=ours.judge,
        other=theirs.judge,
        answers=grades.shape[1],
        unreadable=ours.unreadable,
        totals=ours.totals,
        other_totals=theirs.totals,
        agreement=agreement(grades, others, bad),
        itself=itself(others),
    )
