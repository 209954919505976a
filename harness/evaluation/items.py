"""One sample with its answer, what was said about it, and what it counts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.types import FAILED_CALL, Benchmark, LLMJudge, Response, Sample, Unscored
from harness.evaluation.judging.replies import Replies
from harness.files.digests import text_digest


@dataclass(frozen=True)
class Item:
    """One sample with its answer and what that is worth."""

    sample: Sample
    response: Response
    replies: Replies
    score: Any
    """The benchmark's own score, or Unscored."""

    def row(self) -> dict[str, Any]:
        """Return the item as JSON; `counted_as` is what the published script makes of it."""
        row: dict[str, Any] = {"id": self.sample.id, "question": self.sample.question}
        if self.sample.category:
            row["category"] = self.sample.category
        if self.sample.image:
            row["picture"] = picture_of(self.sample)
        row |= {"response": self.response.text, "replies": self.replies.flat()}
        if not isinstance(self.score, Unscored):
            return row | {"score": plain(self.score)}
        row["unscored"] = self.score.reason
        if self.score.counted_as is not None:
            row["counted_as"] = plain(self.score.counted_as)
        return row


def picture_of(sample: Sample) -> str:
    """Return what tells the picture of a sample from others: its path, or a hash of its bytes."""
    image = sample.image
    return image if isinstance(image, str) else text_digest(image, digits=16)


def failed(benchmark: Benchmark[Any], item: Item) -> bool:
    """Tell whether the judge's last call about an unscored sample was refused."""
    if not isinstance(item.score, Unscored) or not isinstance(benchmark.annotator, LLMJudge):
        return False
    judged = item.replies.judge
    return bool(judged) and judged[-1] == FAILED_CALL


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; a score's `verdict` stands beside its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return parts | ({"verdict": value.verdict} if hasattr(value, "verdict") else {})
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return value
