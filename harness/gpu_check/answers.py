"""The path of generated answers: prompts with an image, in the ways that benchmarks ask."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from harness.costs.shapes import Shape
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.prefix import SharedPrefix
from harness.gpu_check.clock import Clock
from harness.gpu_check.made import made_model
from harness.gpu_check.steps.words import made_processor
from harness.gpu_check.timing import forget_peak, peak_bytes, timed
from harness.models.llava import Llava as Family

WORDS = 10
_RUNS = 3
Answer = Callable[[Sequence[Question], dict[str, Any]], list[str]]


@dataclass(frozen=True)
class Kind:
    """Questions of one kind; no answer ends before its last new token."""

    name: str
    images: int
    per_image: int
    tokens: int
    beams: int = 1


KINDS = (
    # AMBER asks 14.2 questions per image on average, and "Yes" or "No" is one or two tokens.
    Kind("yes/no, as AMBER asks", images=2, per_image=14, tokens=3),
    Kind("descriptions, greedy", images=8, per_image=1, tokens=128),
    Kind("descriptions, three beams as Object HalBench asks", 8, 1, tokens=128, beams=3),
)
SMALL = (Kind("yes/no, as AMBER asks", 2, 2, 2), Kind("descriptions, three beams", 2, 1, 3, 3))
"""For a CPU."""


class MadeLlava(Llava):
    """A random model that answers as a checkpoint would: float16 on a GPU, float32 on a CPU."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.family = Family()
        self.device = device
        self.model = made_model(shape, device, llava_dtype(device)).eval()
        processor = made_processor(shape)
        self.tokenizer, self._processor = processor.tokenizer, processor.image_processor
        self.image_tokens = shape.image_tokens
        self.identity: dict[str, str] = {}
        self._ask_with("vicuna_v1", "center_crop")

    def one_by_one(self, questions: Sequence[Question], decoding: dict[str, Any]) -> list[str]:
        """Answer as lmms-eval's llava_hf does: each question alone."""
        return [self.answer([question], decoding)[0] for question in questions]


def rows(shape: Shape, device: torch.device, clock: Clock) -> Iterator[dict[str, Any]]:
    """Measure every way of answering each kind of question."""
    llava = MadeLlava(shape, device)
    for kind in KINDS if device.type == "cuda" else SMALL:
        ways: dict[str, Answer] = {"in one batch": llava.answer}
        if kind.per_image > 1:
            ways["image once for its questions"] = SharedPrefix(llava).answer
            ways["one by one"] = llava.one_by_one
        yield from _of_kind(kind, ways, shape, device, clock)


def _of_kind(
    kind: Kind, ways: dict[str, Answer], shape: Shape, device: torch.device, clock: Clock
) -> Iterator[dict[str, Any]]:
    count = kind.images * kind.per_image
    questions = [
        Question(
            " ".join(f"w{20 + place + i}" for i in range(WORDS)),
            _picture(shape, place // kind.per_image),
        )
        for place in range(count)
    ]
    decoding: dict[str, Any] = {
        "max_new_tokens": kind.tokens,
        "min_new_tokens": kind.tokens,
        "do_sample": False,
        "num_beams": kind.beams,
    }
    first: list[str] | None = None
    for name, answer in ways.items():
        if clock.over:
            return
        found = answer(questions, decoding)
        first = found if first is None else first
        forget_peak(device)
        taken = [timed(lambda: answer(questions, decoding), device) for _ in range(_RUNS)]  # noqa: B023
        mean = sum(taken) / _RUNS
        yield {
            "questions": kind.name,
            "way": name,
            "count": count,
            "new_tokens": kind.tokens,
            "beams": kind.beams,
            "dtype": str(llava_dtype(device)).removeprefix("torch."),
            "seconds": mean,
            "seconds_least": min(taken),
            "seconds_most": max(taken),
            "answers_per_second": count / mean,
            "tokens_per_second": count * kind.tokens / mean,
            "same_as_first_way": sum(a == b for a, b in zip(found, first, strict=True)),
            "peak_bytes": peak_bytes(device),
        }


def llava_dtype(device: torch.device) -> torch.dtype:
    """Return the type of the weights that answer."""
    return torch.float16 if device.type == "cuda" else torch.float32


def _picture(shape: Shape, number: int) -> bytes:
    side = shape.vision.image
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (30 * number, 90, 210 - 25 * number)).save(buffer, "PNG")
    return buffer.getvalue()
