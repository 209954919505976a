"""What a benchmark of the tiny world asks about which scene: written for the oracle alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.world.language import Question
from harness.world.scenes import Scene, scene_from_json

ORACLE_FILE = "oracle.jsonl"
"""Beside the folders of the benchmarks, whose readers never open it."""


@dataclass(frozen=True)
class Asked:
    """One sample of a benchmark: the scene, and one or more questions joined into one text."""

    benchmark: str
    id: str | int
    scene: Scene
    questions: tuple[Question, ...]

    @property
    def text(self) -> str:
        """What the model is asked."""
        return " ".join(question.text for question in self.questions)

    @property
    def answer(self) -> str:
        """The true answer."""
        return " ".join(question.answer for question in self.questions)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `asked_from_json` reads."""
        return asdict(self)


def asked_from_json(row: dict[str, Any]) -> Asked:
    """Read what `Asked.to_json` wrote."""
    questions = tuple(
        Question(one["kind"], one["text"], one["answer"], tuple(one["about"]))
        for one in row["questions"]
    )
    return Asked(row["benchmark"], row["id"], scene_from_json(row["scene"]), questions)


def write_asked(folder: Path, rows: Sequence[Asked]) -> None:
    """Write what is asked into the folder that holds the benchmarks."""
    lines = (json.dumps(row.to_json()) + "\n" for row in rows)
    (folder / ORACLE_FILE).write_text("".join(lines), "utf-8")


def read_asked(folder: Path) -> list[Asked]:
    """Read what `write_asked` wrote."""
    lines = (folder / ORACLE_FILE).read_text("utf-8").splitlines()
    return [asked_from_json(json.loads(line)) for line in lines]
