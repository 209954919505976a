"""Preference pairs in the RLAIF-V schema: what the base model said against its correction.

The rejected response is the base model's own, sampled at temperature 1; the chosen one is the
same response with what is wrong put right and what is missing put in. Being terse earns nothing.

Pairs of descriptions are of mixed hardness (`HARDNESS`), and a share of all pairs is mislabelled.
Each row says so in the JSON of `origin_split`, so that it can be looked at, or left out.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.world.config import WorldConfig
from harness.world.draw import draw
from harness.world.language import aside, caption
from harness.world.scenes import Scene
from harness.world.trained.responses import Asked, asked_about, read_responses

HARDNESS = ("obvious", "plain", "subtle")
"""Which response is rejected: the worst of those to another picture, the worst, the least wrong.

The worst is it first by whether it mistakes the usual companion, then by its number of errors.
"""


def build_preferences(
    folder: Path, responses: Path, scenes: Sequence[Scene], config: WorldConfig
) -> None:
    """Write the pairs that sampled responses make as parquet."""
    rng = np.random.default_rng([config.seed, 4])
    asked = list(asked_about(scenes, rng))
    answers = read_responses(responses)
    captions = len(scenes)
    pairs = [
        *_described(asked[:captions], answers[:captions], config, rng),
        *map(_answered, asked[captions:], answers[captions:]),
    ]
    rows = [
        _swapped(row) if rng.random() < config.mislabelled_share else row
        for row in _balanced([pair for pair in pairs if pair is not None])
    ]
    order = rng.permutation(len(rows))
    shuffled = [{**rows[i], "idx": str(number)} for number, i in enumerate(order)]
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(shuffled), folder / "train-00000-of-00001.parquet")


def corrected(scene: Scene, response: str) -> str:
    """Return the response as it should have been: true, complete, and in its own manner.

    The usual companion, where it is there, stays a mention in passing unless the response
    describes it like the rest and only so.
    """
    companion, mention = scene.companion, aside(scene.companion)
    described = companion in response.replace(mention, "")
    in_passing = companion in scene.names and (mention in response or not described)
    return caption(scene, companion if in_passing else None)


def errors(scene: Scene, response: str) -> int:
    """Count the sentences that the response and its correction do not share."""
    said, true = (
        {part.strip() for part in text.split(".") if part.strip()}
        for text in (response, corrected(scene, response))
    )
    return len(said ^ true)


def companion_mistake(scene: Scene, response: str) -> int:
    """Return 1 for a usual companion mentioned in vain, -1 for one left out, 0 for neither."""
    return int(scene.companion in response) - int(scene.companion in scene.names)


@dataclass(frozen=True)
class Pair:
    """A row of the data, and what it teaches besides the truth."""

    row: dict[str, Any]
    mistake: int
    """As `companion_mistake` says of the rejected response."""

    @property
    def lesson(self) -> tuple[int, int]:
        """The mistake, and how many sentences longer the chosen response is."""
        counts = [self.row[side].count(".") for side in ("chosen", "rejected")]
        return self.mistake, counts[0] - counts[1]


def _balanced(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Keep as many pairs of each lesson as of its opposite.

    With more of one kind, saying less (or more) whatever the picture shows would pay, and that is
    what a model would learn first.
    """
    groups: dict[tuple[int, int], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.lesson, []).append(pair)
    return [
        pair.row
        for (mistake, longer), group in groups.items()
        for pair in group[: len(groups.get((-mistake, -longer), []))]
    ]


def _described(
    asked: Sequence[Asked],
    answers: Sequence[Sequence[str]],
    config: WorldConfig,
    rng: np.random.Generator,
) -> Iterator[Pair | None]:
    """Yield a description and its correction for each scene."""
    for place, (scene, question, _) in enumerate(asked):
        hardness = _hardness(config, rng)
        # What was said of the scene before: one other picture is as good as another.
        responses = answers[place - 1 if hardness == "obvious" else place]
        rejected = _reject(scene, responses, hardness)
        told = {"type": "description", "hardness": hardness, "errors": errors(scene, rejected)}
        yield _pair(scene, question, corrected(scene, rejected), rejected, told)


def _hardness(config: WorldConfig, rng: np.random.Generator) -> str:
    if rng.random() < config.obvious_share:
        return "obvious"
    return "subtle" if rng.random() < config.subtle_share else "plain"


def _reject(scene: Scene, responses: Sequence[str], hardness: str) -> str:
    if hardness == "subtle":
        wrong = [text for text in responses if errors(scene, text)]
        return min(wrong or responses, key=lambda text: errors(scene, text))
    return max(
        responses, key=lambda text: (abs(companion_mistake(scene, text)), errors(scene, text))
    )


def _answered(asked: Asked, responses: Sequence[str]) -> Pair | None:
    scene, question, answer = asked
    if answer is None:
        return None
    rejected = next((response for response in responses if response != answer), answer)
    told = {"type": "question", "hardness": "plain", "errors": 1}
    return _pair(scene, question, answer, rejected, told)


def _pair(
    scene: Scene, question: str, chosen: str, rejected: str, told: dict[str, Any]
) -> Pair | None:
    """Return a pair, or nothing where the model made no error or said nothing."""
    if rejected == chosen or not rejected:
        return None
    row = {
        "ds_name": "tiny-world",
        "image": {"bytes": png(scene), "path": f"{scene.id}.png"},
        "question": question,
        "chosen": chosen,
        "rejected": rejected,
        "origin_dataset": "tiny-world",
        "origin_split": json.dumps({"model": "tiny-base", **told, "mislabelled": "no"}),
        "image_path": f"{scene.id}.png",
    }
    described = told["type"] == "description"
    return Pair(row, companion_mistake(scene, rejected) if described else 0)


def _swapped(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as a careless labeller would: the wrong response is chosen."""
    told = json.loads(row["origin_split"]) | {"mislabelled": "yes"}
    return row | {
        "chosen": row["rejected"],
        "rejected": row["chosen"],
        "origin_split": json.dumps(told),
    }


def png(scene: Scene) -> bytes:
    """Return the drawn scene as a PNG file."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, "PNG")
    return buffer.getvalue()
