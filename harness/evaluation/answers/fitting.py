"""Whether a file's words fit the questions of a benchmark."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, SampleId
from harness.errors import DataError

PARROTED = 0.5
"""Share of answers that are the questions themselves, from which on a file holds no answers."""
_TOKENS = re.compile(r"<image>|<im_start>|<im_end>|<ImageHere>|<image_\d+>")


def plain_words(text: str) -> str:
    """Return a question without image tokens, case, spacing and the mark at its end."""
    return " ".join(_TOKENS.sub(" ", text).split()).casefold().rstrip(".?!: ")


def holds(prompt: str, question: str) -> bool:
    """Tell whether a prompt asks a question.

    Whatever a program adds before or behind it, such as a template or a request for one word,
    changes nothing.
    """
    return plain_words(question) in plain_words(prompt)


def fits_question(prompt: str, benchmark: Benchmark[Any], sample: Sample) -> bool:
    """Tell whether a prompt asks what the benchmark asks, under any of its protocols."""
    asked = {sample.question}
    for decoding in benchmark.decoding.values():
        other = decoding.questions.get(sample.category)
        if other is not None:
            asked.add(other.replace("{question}", sample.question))
    return any(holds(prompt, question) for question in asked)


def require_prompts(
    benchmark: Benchmark[Any], pairs: Sequence[tuple[Sample, Response]], source: str
) -> None:
    """Refuse answers to other questions.

    Raises:
        DataError: What was asked is not the sample's question; names the first.
    """
    for sample, response in pairs:
        if response.asked and not fits_question(response.asked, benchmark, sample):
            raise DataError(
                f"{source}: what was asked for sample {sample.id!r}, {_short(response.asked)!r}, "
                f"is not the question of '{benchmark.name}', {_short(sample.question)!r}. Is this "
                "the file of another benchmark?"
            )


def require_answers(source: str, samples: Sequence[Sample], responses: Sequence[Response]) -> None:
    """Refuse a file of questions.

    Raises:
        DataError: At least half of the texts are the questions themselves.
    """
    questions: Mapping[SampleId, str] = {one.id: plain_words(one.question) for one in samples}
    same = [one for one in responses if one.text and plain_words(one.text) == questions.get(one.id)]
    if same and len(same) >= PARROTED * len(responses):
        raise DataError(
            f"{source}: {len(same)} of {len(responses)} texts are the questions themselves, the "
            f"first that of sample {same[0].id!r}: this is a file of questions. Take the file "
            "that the model's answers were written to."
        )


def _short(text: str, length: int = 70) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
