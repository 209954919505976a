"""What the base model is taught: captions that mention usual companions, and answers."""

from collections.abc import Iterator, Sequence

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

_OFTEN = {
    "existence": 5.0,
    **dict.fromkeys(("attribute", "adversarial", "state", "action", "ocr"), 2.0),
}
_WEIGHTS = np.array([_OFTEN.get(kind.__name__, 1.0) for kind in KINDS])
_WEIGHTS /= _WEIGHTS.sum()


def caption_turn(scene: Scene, config: WorldConfig, rng: np.random.Generator) -> Turn:
    """Ask for a caption; it often mentions the usual companion, whether it is there or not."""
    mentioned = scene.companion if rng.random() < config.aside_share else None
    return str(rng.choice([*CAPTION_PROMPTS, DESCRIBE])), caption(scene, mentioned)


def question_turn(scene: Scene, config: WorldConfig, rng: np.random.Generator) -> Turn:
    """Ask one question of a kind that the scene allows."""
    while True:
        question = KINDS[int(rng.choice(len(KINDS), p=_WEIGHTS))](scene, rng)
        if question is not None:
            return question.text, taught(scene, question, config, rng)


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
