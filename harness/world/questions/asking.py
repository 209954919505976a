"""Choose scenes and questions, and write files."""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ConfigError
from harness.world.draw import draw
from harness.world.language import CAPTION_PROMPTS, Question, caption
from harness.world.scenes import Scene

Kind = Callable[[Scene, np.random.Generator], Question | None]
"""Asks one kind of question; None where the scene does not allow it."""
DRAWS = 200


def shuffled(scenes: Sequence[Scene], rng: np.random.Generator) -> list[Scene]:
    """Return the scenes in random order."""
    return [scenes[int(index)] for index in rng.permutation(len(scenes))]


def ask_caption(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask for a description; the answer names everything that is there."""
    prompt = str(rng.choice(CAPTION_PROMPTS))
    names = tuple(thing.name for thing in scene.things)
    return Question("caption", prompt, caption(scene, None), names)


def ask_first(
    kinds: Sequence[Kind], scenes: Iterable[Scene], rng: np.random.Generator
) -> tuple[Scene, tuple[Question, ...]]:
    """Ask all the kinds about the first scene that allows them.

    Raises:
        ConfigError: No scene does.
    """
    for scene in scenes:
        questions = tuple(filter(None, (kind(scene, rng) for kind in kinds)))
        if len(questions) == len(kinds):
            return scene, questions
    names = ", ".join(kind.__name__ for kind in kinds)
    raise ConfigError(f"no held-out scene allows the questions {names}. Draw more scenes.")


def ask_for(
    kind: Kind, scene: Scene, rng: np.random.Generator, answer: str, but: Sequence[str] = ()
) -> Question | None:
    """Ask until the true answer is the one wanted and the text is new.

    None where the scene does not allow it, or if chance does not bring it up in `DRAWS` draws.
    """
    for _ in range(DRAWS):
        question = kind(scene, rng)
        if question is None:
            return None
        if question.answer == answer and question.text not in but:
            return question
    return None


def png(scene: Scene) -> bytes:
    """Return the picture of a scene as a PNG file."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(scene: Scene) -> bytes:
    """Return the picture of a scene as a JPEG file that keeps the colours of single pixels."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def write_image(path: Path, content: bytes) -> None:
    """Write an encoded image, with the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, with the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
