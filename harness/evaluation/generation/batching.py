"""Which questions are answered together: like with like, and those about one image in a row."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.evaluation.generation.answerer import Question

LENGTH_BUCKET = 32
"""Characters within which prompts count as equally long, so that images can be shared."""

CLOSED = re.compile(r"(is|are|was|were|do|does|did|has|have|can|could|will|would)\b", re.I)
"""How a question begins that is answered in a word.

One description in their batch would keep all of them waiting for its end. Decides speed only.
"""


@dataclass(frozen=True)
class Asked:
    """One question of a task, with the settings it is to be answered with."""

    task: str
    index: int
    question: Question
    decoding: tuple[tuple[str, Any], ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        """What all requests of a batch have in common."""
        return self.task, self.decoding, CLOSED.match(self.question.text) is None

    @property
    def length(self) -> int:
        """How long the question is, roughly."""
        return len(self.question.text) // LENGTH_BUCKET

    @property
    def greedy(self) -> bool:
        """Whether each token is the likeliest one after those before it, and nothing else."""
        settings = dict(self.decoding)
        return (
            settings["num_beams"] == 1
            and not settings["do_sample"]
            and "repetition_penalty" not in settings
        )


def split(requests: Sequence[Asked], share: bool) -> tuple[list[Asked], list[Asked]]:
    """Part the greedy questions whose image has several of their kind from all others.

    Without `share` all are others.
    """
    counts = Counter((request.kind, request.question.image) for request in requests)
    shared: list[Asked] = []
    plain: list[Asked] = []
    for request in requests:
        several = counts[request.kind, request.question.image] > 1
        (shared if share and several and request.greedy else plain).append(request)
    return shared, plain


def batches(requests: Sequence[Asked], size: int) -> Iterator[list[Asked]]:
    """Yield groups of at most `size` of one kind, long questions first.

    The longest come first so that a lack of memory shows at once; questions about one image
    stand together among those of one length.
    """

    def order(request: Asked) -> tuple[Any, ...]:
        return request.kind, -request.length, bytes(request.question.image), request.index

    return _cut(sorted(requests, key=order), size)


def batches_by_image(requests: Sequence[Asked], size: int) -> Iterator[list[Asked]]:
    """Yield groups of at most `size` of one kind; all questions about an image follow each other.

    Images with the longest question come first.
    """
    longest: dict[tuple[Any, ...], int] = {}
    for request in requests:
        key = (request.kind, request.question.image)
        longest[key] = max(request.length, longest.get(key, 0))

    def order(request: Asked) -> tuple[Any, ...]:
        image = request.question.image
        return request.kind, -longest[request.kind, image], bytes(image), request.index

    return _cut(sorted(requests, key=order), size)


def _cut(requests: Sequence[Asked], size: int) -> Iterator[list[Asked]]:
    batch: list[Asked] = []
    for request in requests:
        if batch and (len(batch) == size or request.kind != batch[0].kind):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch
