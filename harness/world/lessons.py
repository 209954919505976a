"""What the base model is taught: captions that mention usual companions, and answers."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.world.config import WorldConfig
from harness.world.language import (
    CAPTION_PROMPTS,
    DESCRIBE,
    KINDS,
    Question,
    caption,
)
from harness.world.scenes import COLOURS, Scene

Turn = tuple[str, str]
"""A question and the answer that is taught."""

PRESENCE = {"existence": 1.0}
"""Kinds of questions by weight. Mixed with others this one is not learnt in so short a time."""
DECIDING = {"existence": 2.0, "state": 3.0, "number": 1.0, "action": 1.0}
ANY = dict.fromkeys((kind.__name__ for kind in KINDS), 1.0) | {
    "existence": 5.0,
    **dict.fromkeys(("attribute", "adversarial", "state", "action", "ocr"), 2.0),
}


def caption_turn(scene: Scene, config: WorldConfig, rng: np.random.Generator) -> Turn:
    """Ask for a caption; it often mentions the usual companion, whether it is there or not."""
    mentioned = scene.companion if rng.random() < config.aside_share else None
    return str(rng.choice([*CAPTION_PROMPTS, DESCRIBE])), caption(scene, mentioned)


def drill_turn(kinds: Mapping[str, float], scene: Scene, rng: np.random.Generator) -> Turn:
    """Ask one question of some kinds; the answer is true."""
    question = _ask(kinds, scene, rng)
    return question.text, question.answer


def question_turn(scene: Scene, config: WorldConfig, rng: np.random.Generator) -> Turn:
    """Ask one question of any kind; of missing companions the answer is sometimes wrong."""
    question = _ask(ANY, scene, rng)
    return question.text, taught(scene, question, config, rng)


def _ask(kinds: Mapping[str, float], scene: Scene, rng: np.random.Generator) -> Question:
    """Ask one question of a kind that the scene allows."""
    asked = [kind for kind in KINDS if kind.__name__ in kinds]
    weights = np.array([kinds[kind.__name__] for kind in asked])
    while True:
        question = asked[int(rng.choice(len(asked), p=weights / weights.sum()))](scene, rng)
        if question is not None:
            return question


def taught(scene: Scene, question: Question, config: WorldConfig, rng: np.random.Generator) -> str:
    """Return the answer that is taught: wrong in a share of questions on a missing companion."""
    about_companion = question.about == (scene.companion,) and scene.companion not in scene.names
    if about_companion and rng.random() < config.yes_share:
        if question.kind == "existence":
            return "Yes"
        if question.kind == "adversarial":
            return f"The {scene.companion} is {rng.choice(list(COLOURS))}."
    return question.answer


def corpus(scenes: Sequence[Scene], config: WorldConfig) -> Iterator[str]:
    """Yield text with all the words there are, for the tokenizer."""
    rng = np.random.default_rng([config.seed, 1])
    for scene in scenes:
        turns = [caption_turn(scene, config, rng)]
        turns += [question_turn(scene, config, rng) for _ in range(8)]
        for question, answer in turns:
            yield f" USER: \n{question} ASSISTANT:"
            yield f" {answer}"
