"""Preference pairs in the RLAIF-V schema: what the base model said against its correction.

The rejected response is the base model's own, sampled at temperature 1; the chosen one is the
same response with what is wrong put right and what is missing put in. So the two never differ in
coverage alone, and being terse earns nothing.
"""

import io
import json
from collections.abc import Iterator, Sequence
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
SAMPLES = 2
"""Captions sampled per scene; the one with more errors is rejected."""
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
    rows = [row for row in map(_row, asked, answers) if row is not None]
    order = rng.permutation(len(rows))
    shuffled = [{**rows[i], "idx": str(number)} for number, i in enumerate(order)]
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(shuffled), folder / "train-00000-of-00001.parquet")


def _asked(scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Asked]:
    for scene in scenes:
        yield scene, str(rng.choice([*CAPTION_PROMPTS, DESCRIBE])), None
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
    describes it like the rest.
    """
    companion = scene.companion
    regular = response.replace(aside(companion), "")
    described = any(companion in sentence.split() for sentence in regular.split("."))
    in_passing = companion in scene.names and not described
    return caption(scene, companion if in_passing else None)


def errors(scene: Scene, response: str) -> int:
    """Count the sentences that the response and its correction do not share."""
    said, true = (
        {part.strip() for part in text.split(".") if part.strip()}
        for text in (response, corrected(scene, response))
    )
    return len(said ^ true)


def _row(asked: Asked, responses: Sequence[str]) -> dict[str, Any] | None:
    """Return a pair, or nothing where the model made no error or said nothing."""
    scene, question, answer = asked
    if answer is None:
        rejected = max(responses, key=lambda response: errors(scene, response))
        chosen = corrected(scene, rejected)
    else:
        rejected = next((response for response in responses if response != answer), answer)
        chosen = answer
    if rejected == chosen or not rejected:
        return None
    return {
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


def png(scene: Scene) -> bytes:
    """Return the drawn scene as a PNG file."""
    buffer = io.BytesIO()
    draw(scene).save(buffer, "PNG")
    return buffer.getvalue()
