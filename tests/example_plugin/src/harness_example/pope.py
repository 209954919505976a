"""POPE: is an object in the image? Half of the questions ask for one that is not.

Source: arXiv:2305.10355; RUCAIBox/POPE, evaluate.py.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.types import Benchmark, Metric, Response, Sample, Unscored

SPLITS = {f"coco_pope_{split}.json": split for split in ("random", "popular", "adversarial")}
NO = {"No", "not", "no"}
YES = {"Yes", "yes"}


class Verdict(NamedTuple):
    """What was said and what is true; both mean "yes" if set."""

    said: bool
    truth: bool


def read(files: Mapping[str, str]) -> list[Sample]:
    """Read one question file: a JSON object per line. Ids are those of the file."""
    if len(files) != 1:
        raise ValueError(f"expected one of {', '.join(SPLITS)}, found {len(files)}")
    ((name, text),) = files.items()
    samples = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            truth = {"yes": True, "no": False}[row["label"]]
            image = f"val2014/{row['image']}"
            samples.append(
                Sample(row["question_id"], row["text"], image, SPLITS[name], {"truth": truth})
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{name}, line {number}: not a question ({error!r})") from error
    return samples


def score(sample: Sample, response: Response, replies: Sequence[str]) -> Verdict | Unscored:
    """Read the first sentence; no annotator is asked."""
    truth = bool(sample.reference["truth"])
    words = set(response.text.split(".")[0].replace(",", "").split(" "))
    if words & NO:
        return Verdict(said=False, truth=truth)
    if words & YES:
        return Verdict(said=True, truth=truth)
    # Faithful: whatever holds no "no" is a yes, an empty answer too.
    return Unscored(sample.id, "neither yes nor no", counted_as=Verdict(said=True, truth=truth))


def aggregate(scores: Sequence[Verdict]) -> dict[str, float]:
    """Return percentages, with "yes" as the positive answer; absent where nothing is counted."""
    right = sum(said == truth for said, truth in scores)
    both = sum(said and truth for said, truth in scores)
    said = sum(verdict.said for verdict in scores)
    true = sum(verdict.truth for verdict in scores)
    shares = {
        "accuracy": (right, len(scores)),
        "precision": (both, said),
        "recall": (both, true),
        "f1": (2 * both, said + true),
        "yes_ratio": (said, len(scores)),
    }
    return {name: 100 * part / whole for name, (part, whole) in shares.items() if whole}


BENCHMARK = Benchmark[Verdict](
    name="pope",
    samples=3000,
    metrics=(
        Metric("accuracy", "percent", higher_is_better=True, headline=True),
        Metric("precision", "percent", higher_is_better=True, description='Of the answer "yes".'),
        Metric("recall", "percent", higher_is_better=True, description='Of the answer "yes".'),
        Metric("f1", "percent", higher_is_better=True, headline=True),
        Metric("yes_ratio", "percent", higher_is_better=False, description="50 is the truth."),
    ),
    source="arXiv:2305.10355; RUCAIBox/POPE, evaluate.py",
    annotator=None,
    request=lambda sample, response: "",
    score=score,
    aggregate=aggregate,
    fallback=Verdict(said=True, truth=True),
    files=tuple(SPLITS),
    read=read,
)
