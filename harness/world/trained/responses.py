"""What the base model says about the scenes of the preference pairs, sampled at temperature 1."""

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.console import track
from harness.data.templates import TEMPLATES
from harness.world.config import WorldConfig
from harness.world.draw import draw
from harness.world.language import (
    CAPTION_PROMPTS,
    DESCRIBE,
    adversarial,
    attribute,
    existence,
    whereabouts,
)
from harness.world.scenes import Scene

BATCH = 256
MAX_TOKENS = 64
SAMPLES = 4
"""Responses sampled per question."""
QUESTIONS = (existence, existence, adversarial, attribute, whereabouts)
FILE = "responses.json.gz"

Asked = tuple[Scene, str, str | None]
"""Scene, question and its true answer; no answer stands for a caption."""


def build_responses(folder: Path, base: Path, scenes: Sequence[Scene], config: WorldConfig) -> None:
    """Sample `SAMPLES` responses to each question about the scenes, and write them."""
    asked = list(asked_about(scenes, np.random.default_rng([config.seed, 4])))
    write_responses(folder, _sample(base, asked, config.seed))


def write_responses(folder: Path, responses: Sequence[Sequence[str]]) -> None:
    """Write the responses to each question."""
    folder.mkdir(parents=True)
    # Without a time in its head, so that equal responses are equal bytes.
    packed = gzip.compress(json.dumps(responses).encode(), mtime=0)
    (folder / FILE).write_bytes(packed)


def read_responses(folder: Path) -> list[list[str]]:
    """Return the responses to each question, in the order of `asked_about`."""
    responses: list[list[str]] = json.loads(gzip.decompress((folder / FILE).read_bytes()))
    return responses


def asked_about(scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Asked]:
    """Yield the captions, then the questions: answers of one batch are of about one length."""
    for scene in scenes:
        yield scene, str(rng.choice([*CAPTION_PROMPTS, DESCRIBE])), None
    for scene in scenes[::2]:
        question = QUESTIONS[int(rng.integers(len(QUESTIONS)))](scene, rng)
        if question is not None:
            yield scene, question.text, question.answer


def _sample(base: Path, asked: Sequence[Asked], seed: int) -> list[list[str]]:
    import torch
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration.from_pretrained(base, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(base)
    answers: list[list[str]] = []
    with torch.no_grad(), track("responses for preference pairs", len(asked)) as progress:
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            answers += _sample_batch(model, processor, part)
            progress.advance(len(part))
    return answers


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
