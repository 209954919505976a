"""The path of generated answers: prompts with an image, in batches."""

import io
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image

from harness.costs.shapes import Shape
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.prefix import SharedPrefix
from harness.gpu_check.made import made_model
from harness.gpu_check.timing import forget_peak, peak_bytes, timed
from harness.gpu_check.words import made_processor
from harness.models.llava import Llava as Family

QUESTIONS = 8
"""Answered together; two about each image."""
WORDS = 10
_RUNS = 3


class MadeLlava(Llava):
    """A random model that answers as a checkpoint would, in bfloat16."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.family = Family()
        self.device = device
        self.model = made_model(shape, device, torch.bfloat16).eval()
        processor = made_processor(shape)
        self.tokenizer, self._processor = processor.tokenizer, processor.image_processor
        self.image_tokens = shape.image_tokens
        self.identity: dict[str, str] = {}
        self._ask_with("vicuna_v1", "center_crop")


def rows(shape: Shape, device: torch.device, tokens: int) -> Iterator[dict[str, Any]]:
    """Measure both ways of answering, one after the other.

    Args:
        shape: The model's sizes.
        device: Where it answers.
        tokens: New tokens of each answer; no answer ends before.
    """
    llava = MadeLlava(shape, device)
    questions = [
        Question(" ".join(f"w{20 + place + i}" for i in range(WORDS)), _picture(shape, place // 2))
        for place in range(QUESTIONS)
    ]
    decoding = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    for name, answer in (
        ("image once per question", llava.answer),
        ("image once for its questions", SharedPrefix(llava).answer),
    ):
        answer(questions, decoding)
        forget_peak(device)
        taken = [timed(lambda: answer(questions, decoding), device) for _ in range(_RUNS)]  # noqa: B023
        mean = sum(taken) / _RUNS
        yield {
            "way": name,
            "questions": QUESTIONS,
            "new_tokens": tokens,
            "seconds": mean,
            "seconds_least": min(taken),
            "seconds_most": max(taken),
            "tokens_per_second": QUESTIONS * tokens / mean,
            "peak_bytes": peak_bytes(device),
        }


def _picture(shape: Shape, number: int) -> bytes:
    side = shape.vision.image
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (40 * number, 90, 200 - 40 * number)).save(buffer, "PNG")
    return buffer.getvalue()
