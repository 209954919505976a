"""AMBER of the tiny world: descriptions, and yes-or-no questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.world import language
from harness.world.asked import Asked
from harness.world.language import DESCRIBE, PLURALS, Question
from harness.world.questions.asking import (
    Kind,
    ask_for,
    jpeg,
    shuffled,
    write_image,
    write_json,
)
from harness.world.scenes import GROUPS, OBJECTS, Scene, absent

DESCRIPTIONS = 150
ATTRIBUTES: tuple[tuple[str, Kind], ...] = (
    ("discriminative-attribute-state", language.state),
    ("discriminative-attribute-number", language.number),
    ("discriminative-attribute-action", language.action),
)
SAFE_WORDS = ("image", "place", "sign")
COUNTERS = (
    *("chair", "safe_cover", "hallu_cover", "non_hallu"),
    *(
        f"{kind}qa_{part}"
        for kind in ("", "as_", "an_", "aa_", "asso_", "ha_")
        for part in ("correct", "no", "ans_no")
    ),
)


@dataclass(frozen=True)
class Item:
    """A question with its published type and the number of its image."""

    type: str
    image: int
    scene: Scene
    question: Question


def write(folder: Path, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Asked]:
    """Write descriptions first, then attributes, existence and relations, as published."""
    chosen = list(enumerate(shuffled(scenes, rng)[:DESCRIPTIONS], start=1))
    for number, scene in chosen:
        write_image(folder / "image" / f"AMBER_{number}.jpg", jpeg(scene))
    items = [
        *(Item("generative", number, scene, _describe(scene)) for number, scene in chosen),
        *(item for number, scene in chosen for item in _attributes(number, scene, rng)),
        *(item for number, scene in chosen for item in _existence(number, scene, rng)),
        *(item for number, scene in chosen for item in _relation(number, scene, rng)),
    ]
    numbered = list(enumerate(items, start=1))
    write_json(folder / "annotations.json", [_annotation(*pair) for pair in numbered])
    queries = [
        {"id": number, "image": f"AMBER_{item.image}.jpg", "query": item.question.text}
        for number, item in numbered
    ]
    write_json(folder / "query_all.json", queries)
    associated = {name: [PLURALS[name]] if PLURALS[name] != name else [] for name in OBJECTS}
    write_json(folder / "relation.json", associated)
    (folder / "safe_words.txt").write_text("\n".join(SAFE_WORDS), "utf-8")
    counters = (f"{counter}_score=0\n{counter}_num=0.001\n" for counter in COUNTERS)
    (folder / "metrics.txt").write_text("".join(counters), "utf-8")
    return [Asked("amber", number, item.scene, (item.question,)) for number, item in numbered]


def likely(scene: Scene) -> list[str]:
    """List what one expects in such a place and does not find, the companion first."""
    return absent(scene, reversed(GROUPS[scene.place]))


def _describe(scene: Scene) -> Question:
    names = tuple(thing.name for thing in scene.things)
    return Question("caption", DESCRIBE, language.caption(scene, None), names)


def _annotation(number: int, item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {"id": number, "type": item.type}
    if item.type == "generative":
        return row | {"truth": list(item.question.about), "hallu": likely(item.scene)}
    return row | {"truth": item.question.answer.lower()}


def _attributes(number: int, scene: Scene, rng: np.random.Generator) -> Iterator[Item]:
    """Ask for states with both answers; for numbers and actions the answers take turns."""
    for type_, kind in ATTRIBUTES:
        both = kind is language.state
        for answer in ("Yes", "No") if both else (_in_turn(number),):
            question = ask_for(kind, scene, rng, answer)
            if question is not None:
                yield Item(type_, number, scene, question)


def _existence(number: int, scene: Scene, rng: np.random.Generator) -> Iterator[Item]:
    """Ask for two different objects that are not there."""
    texts: list[str] = []
    for _ in range(2):
        question = ask_for(language.existence, scene, rng, "No", but=texts)
        if question is not None:
            texts.append(question.text)
            yield Item("discriminative-hallucination", number, scene, question)


def _relation(number: int, scene: Scene, rng: np.random.Generator) -> Iterator[Item]:
    """Ask for one relation; the published type tells the answer."""
    answer = _in_turn(number)
    question = ask_for(language.relation, scene, rng, answer)
    if question is not None:
        type_ = "discriminative-relation" if answer == "Yes" else "relation"
        yield Item(type_, number, scene, question)


def _in_turn(number: int) -> str:
    return "Yes" if number % 2 else "No"
