"""Preference pairs in the RLAIF-V schema: what the base model said against its correction.

The rejected response is the base model's own, sampled at temperature 1; the chosen one is the
same response with what is wrong put right and what is missing put in. Being terse earns nothing.
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
import torch

from harness.console import track
from harness.data.templates import TEMPLATES
from harness.world.config import WorldConfig
from harness.world.draw import draw
from harness.world.language import (
    CAPTION_PROMPTS,
    DESCRIBE,
    adversarial,
    aside,
    attribute,
    caption,
    existence,
    whereabouts,
)
from harness.world.scenes import Scene

BATCH = 256
MAX_TOKENS = 64
SAMPLES = 4
"""Responses sampled per question; the worst is rejected: first by whether it mistakes the usual
companion, then by its number of errors."""
QUESTIONS = (existence, existence, adversarial, attribute, whereabouts)

Asked = tuple[Scene, str, str | None]
"""Scene, question and its true answer; no answer stands for a caption."""


def build_preferences(
    folder: Path, base: Path, scenes: Sequence[Scene], config: WorldConfig
) -> None:
    """Sample the base model on the scenes and write the pairs as parquet."""
    rng = np.random.default_rng([config.seed, 4])
    asked = list(_asked(scenes, rng))
    answers = _sample(base, asked, config.seed)
    rows = _balanced([pair for pair in map(_pair, asked, answers) if pair is not None])
    order = rng.permutation(len(rows))
    shuffled = [{**rows[i], "idx": str(number)} for number, i in enumerate(order)]
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(shuffled), folder / "train-00000-of-00001.parquet")


def _asked(scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Asked]:
    """Yield the captions, then the questions: answers of one batch are of about one length."""
    for scene in scenes:
        yield scene, str(rng.choice([*CAPTION_PROMPTS, DESCRIBE])), None
    for scene in scenes[::2]:
        question = QUESTIONS[int(rng.integers(len(QUESTIONS)))](scene, rng)
        if question is not None:
            yield scene, question.text, question.answer


def _sample(base: Path, asked: Sequence[Asked], seed: int) -> list[list[str]]:
    """Return `SAMPLES` sampled responses for each question."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration.from_pretrained(base).eval()
    processor = AutoProcessor.from_pretrained(base)
    answers: list[list[str]] = []
    with track("preference pairs", len(asked)) as progress:
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            answers += _sample_batch(model, processor, part)
            progress.advance(len(part))
    return answers


@torch.no_grad()
def _sample_batch(model: Any, processor: Any, asked: Sequence[Asked]) -> list[list[str]]:
    template = TEMPLATES["vicuna_v1"]
    inputs = processor(
        images=[draw(scene) for scene, _, _ in asked],
        text=[template.prompt(question) for _, question, _ in asked],
        return_tensors="pt",
        padding=True,
    )
    tokens = model.generate(
        **inputs,
        max_new_tokens=MAX_TOKENS,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        num_return_sequences=SAMPLES,
    )[:, inputs["input_ids"].shape[1] :]
    texts = [text.strip() for text in processor.batch_decode(tokens, skip_special_tokens=True)]
    return [texts[i : i + SAMPLES] for i in range(0, len(texts), SAMPLES)]


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


def _pair(asked: Asked, responses: Sequence[str]) -> Pair | None:
    """Return a pair, or nothing where the model made no error or said nothing."""
    scene, question, answer = asked
    mistake = 0
    if answer is None:
        rejected = max(
            responses,
            key=lambda text: (abs(companion_mistake(scene, text)), errors(scene, text)),
        )
        chosen = corrected(scene, rejected)
        mistake = companion_mistake(scene, rejected)
    else:
        rejected = next((response for response in responses if response != answer), answer)
        chosen = answer
    if rejected == chosen or not rejected:
        return None
    row = {
        "ds_name": "tiny-world",
        "image": {"bytes": png(scene), "path": f"{scene.id}.png"},
        "question": question,
        "chosen": chosen,
        "rejected": rejected,
        "origin_dataset": "tiny-world",
        "origin_split": json.dumps(
            {"model": "tiny-base", "type": "description" if answer is None else "question"}
        ),
        "image_path": f"{scene.id}.png",
    }
    return Pair(row, mistake)


def png(scene: Scene) -> bytes:
    """Return the drawn scene as a PNG file."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, "PNG")
    return buffer.getvalue()
