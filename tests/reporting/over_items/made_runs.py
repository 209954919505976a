"""Runs whose judged items are made, so that it is known how they differ."""

import dataclasses
import json

import numpy as np

from benchmarks.chair import Mentions
from benchmarks.llava_bench import Grades
from benchmarks.mm_vet import Correctness
from benchmarks.mmhal import Rating
from benchmarks.types import Scorecard
from harness.evaluation.items import plain
from harness.evaluation.scorecards import ITEMS, SCORECARD
from harness.files.jsonlines import JsonLines
from harness.registry import load_benchmark
from harness.reporting.compare import RunResult


class Maker:
    """Writes judged items below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, label, scores, seed=0, size="tiny", judge="oracle", protocol="official", each=1):
        """Return a run; `scores` are by benchmark, `each` is how many items a picture has."""
        cards, items = {}, {}
        for name, values in scores.items():
            folder = self.folder / f"{label}-{size}-{seed}-{judge}".replace("/", "_") / name
            cards[name] = write(folder, name, values, judge, protocol, each)
            items[name] = folder / ITEMS
        method = label.split()[0]
        variant = label.removeprefix(method).strip() or None
        facts = {"run": f"{label}-{seed}"}
        return RunResult(label, method, variant, size, seed, cards, facts, items=items)


def write(folder, name, scores, judge, protocol, each):
    rows = [
        {"id": place, "picture": f"{place // each}.jpg", "score": plain(score)}
        for place, score in enumerate(scores)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    JsonLines(folder / ITEMS).rewrite(rows)
    numbers = dict(load_benchmark(name).aggregate(scores))
    counts = {"samples": len(scores), "scored": len(scores), "unscored": 0, "empty": 0}
    card = Scorecard(name, protocol, judge, "sha256:0", numbers, numbers, counts)
    (folder / SCORECARD).write_text(json.dumps(dataclasses.asdict(card)))
    return card


def ratings(good, count=96):
    """So many ratings of 5 first, then 1: each a hallucination."""
    return {"mmhal": [Rating(5 if place < good else 1, "other") for place in range(count)]}


def mentions(hallucinating, hallucinations, objects, count=300):
    """Responses that mention `objects` in all, with so many hallucinations in so many of them."""
    bad = np.zeros(count, int)
    bad[:hallucinating] = 1
    bad[: hallucinations - hallucinating] += 1
    each = np.full(count, objects // count)
    each[: objects % count] += 1
    assert (bad <= each).all()
    scores = [
        Mentions(("cat",) * whole, ("cat",) * part, frozenset({"dog"}), frozenset({"dog"}))
        for part, whole in zip(bad, each, strict=True)
    ]
    return {"object_halbench": [scores[i] for i in np.random.default_rng(0).permutation(count)]}


def correct(values):
    return {"mm_vet": [Correctness((float(value),), ("rec",)) for value in values]}


def graded(values):
    return {"llava_bench": [Grades(8.0, float(value), "conv") for value in values]}
