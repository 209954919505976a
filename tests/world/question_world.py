"""The benchmarks of a tiny world, without its models."""

import json

from harness.evaluation.score import score_responses
from harness.world.draw import split_scans
from harness.world.questions import write_benchmarks
from harness.world.scenes import draw_scenes

SCANS = split_scans(0.2)[1]


def held_out_scenes(seed=1, count=300):
    return draw_scenes(10_000, count, seed, SCANS, 0.5)


def build_world(folder, scenes=None, seed=1):
    (folder / "base").mkdir(parents=True)
    write_benchmarks(folder / "benchmarks", scenes or held_out_scenes(), seed)
    return folder


def official(world, folder, benchmark, answers):
    """Score answers by sample id with the oracle, through all that a user's answers go through."""
    path = folder / f"{benchmark}.jsonl"
    rows = ({"id": key, "response": text} for key, text in answers.items())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    card = score_responses(benchmark, path, world / "benchmarks" / benchmark, "oracle")
    unreadable = neither_yes_nor_no(world, answers) if benchmark == "amber" else 0
    assert card.counts["unscored"] == unreadable
    return card.official


def neither_yes_nor_no(world, answers):
    """Count the answers to AMBER's questions that its script takes for neither."""
    annotations = json.loads((world / "benchmarks" / "amber" / "annotations.json").read_text())
    asked = [row["id"] for row in annotations if row["type"] != "generative"]
    return sum(answers[key] not in ("Yes", "No") for key in asked)
