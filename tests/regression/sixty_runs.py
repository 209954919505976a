"""Run folders as large as those of papers: every benchmark with all of its items."""

import json
import random
from dataclasses import asdict
from pathlib import Path

from benchmarks.types import Scorecard
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD
from harness.identity.record import Record
from harness.registry import load_benchmark
from harness.runs.rundir import RunDir, run_name
from harness.settings.resolve import resolve

METHODS = ("dpo", "rlhf_v", "dama", "ipo", "cdpo", "rdpo")
SEEDS = 10
BASE = "aaaabbbbccccdddd"
_PICTURES = 1004
_WORDS = "Two white sheep are in the northwest and a blue cow is near them, by a tall tree. "
KINDS = ("existence", "attribute/state", "attribute/number", "attribute/action", "relation")


def object_halbench(chance, sure):
    for place in range(300):
        wrong = ["cup"] if chance.random() > sure else []
        yield place, f"p{place}", _WORDS * 3, {
            "words": ["bowl", "fork", *wrong], "hallucinated": wrong,
            "found": ["bowl", "fork"], "present": ["bowl", "fork", "pizza"],
        }  # fmt: skip


def amber(chance, sure):
    for place in range(_PICTURES):
        wrong = ["dog"] if chance.random() > sure else []
        yield place, f"image/{place}.jpg", _WORDS * 3, {
            "objects": ["bed", *wrong], "hallucinated": wrong, "covered": ["bed"],
            "truths": ["bed", "lamp"], "cognition": wrong, "likely": ["dog"],
        }  # fmt: skip
    for place in range(_PICTURES, 15220):
        truth = chance.choice(("yes", "no"))
        right = chance.random() < sure
        answer = truth.capitalize() if right else {"yes": "No", "no": "Yes"}[truth]
        yield place, f"image/{place % _PICTURES}.jpg", answer, {
            "kind": KINDS[place % 5], "truth": truth, "answer": answer,
            "verdict": "right" if right else "wrong",
        }  # fmt: skip


def mmhal(chance, sure):
    for place in range(96):
        good = chance.random() < sure
        verdict = "no hallucination" if good else "hallucinated"
        yield place, f"{place}.jpg", _WORDS, {
            "rating": 5 if good else 1, "question_type": "other", "verdict": verdict,
        }  # fmt: skip


def llava_bench(chance, sure):
    for place in range(60):
        grade = float(chance.randint(4, 9) if chance.random() < sure else 2)
        score = {"reference": 8.0, "model": grade, "category": ("conv", "detail")[place % 2]}
        yield place, f"{place % 24}.jpg", _WORDS * 3, score


def mm_vet(chance, sure):
    for place in range(218):
        grade = 1.0 if chance.random() < sure else 0.3
        yield f"v1_{place}", f"{place}.png", _WORDS, {"runs": [grade], "capabilities": ["rec"]}


BENCHMARKS = (object_halbench, amber, mmhal, llava_bench, mm_vet)


def make(out: Path, methods=METHODS, seeds=SEEDS) -> list[RunDir]:
    """Write a base model and the runs, and return the runs."""
    judge(RunDir(out / "runs" / f"base-tiny-{BASE[:12]}"), BASE, 0.7)
    made = []
    for place, method in enumerate(methods):
        for seed in range(seeds):
            spec = resolve(method, "tiny", seed=seed).spec
            folder = RunDir(out / "runs" / run_name(spec, f"{place:06d}{seed:06d}"))
            folder.open(spec)
            identity = {
                "method": {"name": method, "source": str(place)},
                "seed": seed,
                "model": {"content": BASE},
                "data": {"content": "0"},
            }
            Record.now(identity, method).write(folder.identity)
            judge(folder, f"{method}{seed}", 0.75 + 0.02 * place)
            made.append(folder)
    return made


def judge(folder: RunDir, checkpoint: str, sure: float) -> None:
    """Write the judgements of a model that is right in about this share of the items."""
    for benchmark in BENCHMARKS:
        name = benchmark.__name__
        place = folder.judgements / f"{name}-0123456789ab"
        identity = {"answers": {"checkpoint": checkpoint, "benchmark": name}, "data": "sha256:0"}
        Record.now({**identity, "judge": {"kind": "oracle"}}).write(place / IDENTITY)
        rows = [
            {"id": number, "question": "What is in this image, and where?", "picture": picture,
             "response": text, "replies": [], "score": score}
            for number, picture, text, score in benchmark(random.Random(checkpoint), sure)
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (place / ITEMS).write_text(text)
        (place / REPLIES).write_text("")
        loaded = load_benchmark(name)
        numbers = dict(loaded.aggregate([loaded.sums.stored(row["score"]) for row in rows]))
        counts = {"samples": len(rows), "scored": len(rows), "unscored": 0, "empty": 0}
        card = Scorecard(name, "official", "oracle", "sha256:0", numbers, numbers, counts)
        (place / SCORECARD).write_text(json.dumps(asdict(card)))
