"""LLaVA-Bench (In-the-Wild) of the tiny world: conversation, description and reasoning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.errors import ConfigError
from harness.world import language
from harness.world.asked import Asked
from harness.world.language import Question
from harness.world.questions.asking import (
    DRAWS,
    Kind,
    ask_caption,
    jpeg,
    shuffled,
    write_image,
    write_json,
    write_lines,
)
from harness.world.scenes import POSITIONS, Scene

IMAGES = 24
KINDS: dict[str, tuple[Kind, ...]] = {
    "conv": (
        language.attribute,
        language.counting,
        language.comparison,
        language.whereabouts,
        language.environment,
        language.existence,
        language.adversarial,
    ),
    "detail": (ask_caption,),
    "complex": (language.reasoning, language.knowledge),
}
QUESTIONS = {"conv": 17, "detail": 15, "complex": 28}
RULE = (
    "Two assistants answered the question above about an image. You can not see the image; the "
    "context above says what it shows.\n"
    "Grade each answer from 1 to 10: is it true, does it answer the question, and how much does "
    "it tell?{focus}\n"
    "Write the grade of Assistant 1, one space and the grade of Assistant 2 on the first line, and "
    "nothing else there. Give your reasons from the second line on. Which answer comes first must "
    "make no difference."
)
FOCUS = {
    "conv": "",
    "detail": " A good description leaves out nothing and adds nothing.",
    "complex": " A good answer gives reasons that the image supports.",
}


def write(folder: Path, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Asked]:
    """Write 60 questions about 24 images with the true answers as the reference."""
    chosen = shuffled(scenes, rng)[:IMAGES]
    names = [f"{number:03d}.jpg" for number in range(1, len(chosen) + 1)]
    for name, scene in zip(names, chosen, strict=True):
        write_image(folder / "images" / name, jpeg(scene))
    categories = rng.permutation([name for name, count in QUESTIONS.items() for _ in range(count)])
    asked: list[Asked] = []
    questions = []
    for index, category in enumerate(categories.tolist()):
        number = index * len(chosen) // len(categories)
        before = [one.text for one in asked if one.scene is chosen[number]]
        question = _ask(KINDS[category], chosen[number], rng, before)
        asked.append(Asked("llava_bench", index, chosen[number], (question,)))
        row = {"question_id": index, "image": names[number], "category": category}
        questions.append(row | {"text": question.text})
    write_lines(folder / "questions.jsonl", questions)
    context = (
        {"id": number, "image": name, "caption": describe_all(scene)}
        for number, (name, scene) in enumerate(zip(names, chosen, strict=True), start=1)
    )
    write_lines(folder / "context.jsonl", context)
    write_lines(folder / "answers_gpt4.jsonl", map(_reference, asked))
    rules = {
        f"llava_bench_{category}": {"role": "Assistant", "prompt": RULE.format(focus=focus)}
        for category, focus in FOCUS.items()
    }
    write_json(folder / "rule.json", rules)
    return asked


def describe_all(scene: Scene) -> str:
    """Describe place, objects and signs."""
    signs = (f"The sign in the {POSITIONS[sign.cell]} says {sign.digit}." for sign in scene.signs)
    return " ".join([f"This is {language.a(scene.place)}.", language.caption(scene, None), *signs])


def _ask(
    kinds: Sequence[Kind], scene: Scene, rng: np.random.Generator, before: Sequence[str]
) -> Question:
    """Ask something that was not asked before about this image."""
    for _ in range(DRAWS):
        question = kinds[int(rng.integers(len(kinds)))](scene, rng)
        if question is not None and question.text not in before:
            return question
    raise ConfigError(f"scene {scene.id} allows no further question. Choose another seed.")


def _reference(asked: Asked) -> dict[str, object]:
    return {
        "question_id": asked.id,
        "prompt": asked.text,
        "answer_id": f"true-answer-{asked.id}",
        "model_id": "true answer",
        "metadata": {},
        "text": asked.answer,
    }
