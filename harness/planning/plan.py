"""What a call of `reproduce` would do and take, as rows for the reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.costs.costs import Costs

if TYPE_CHECKING:
    from harness.planning.judge_plan import JudgePlan

UNKNOWN = "not known before the data are there"
SHARED = "each is counted with an image of its own: work and memory are upper bounds"


@dataclass(frozen=True)
class Plan:
    """What a call of `reproduce` would do; None is what cannot be known before data are there."""

    runs: tuple[str, ...]
    pairs: int | None
    assumed_pairs: int | None
    """Of a data set that is not here yet, as it was published."""
    steps: int | None
    disk_bytes: int | None
    devices: str
    benchmarks: tuple[str, ...]
    judge: str
    judging: "JudgePlan | None"
    unread: "JudgePlan"
    """Calls of a judge for benchmarks whose data are not here."""
    splits: bool
    """Whether a language model behind an endpoint splits the responses of all pairs."""
    costs: Costs | None
    """Memory and time; None where the model's sizes are not known."""
    notes: tuple[str, ...]
    """What makes the numbers others than the published ones and stops nothing."""
    problems: tuple[str, ...]
    """What would stop the run anywhere."""
    missing: tuple[str, ...]
    """What is not here, or not enough, on this machine."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of everything but the parts of the memory, as text."""
        yield "runs", ", ".join(self.runs)
        yield "preference pairs", self._pairs()
        yield "training steps of a run", UNKNOWN if self.steps is None else f"{self.steps:,}"
        if self.costs is None:
            yield "devices", self.devices
            yield "memory and time", "not known before the model is there"
        else:
            yield from self.costs.rows()
            if self.costs.spec.data.order == "by_image":
                yield "pairs that share an image", SHARED
        disk = UNKNOWN if self.disk_bytes is None else f"{self.disk_bytes / 1e9:.2f} GB"
        yield "disk, at most", disk
        yield "benchmarks", ", ".join(self.benchmarks)
        yield "judge", self.judge
        yield "judge calls", self._judge_calls()
        if self.splits:
            yield "splitting calls", self._splitting_calls()
        for note in self.notes:
            yield "note", note

    def _judge_calls(self) -> str:
        if self.judging is not None:
            return _told(self.judging)
        if not self.unread.calls:
            return UNKNOWN
        return (
            f"about {self.unread.calls:,} for all runs and the base model, one per published "
            f"sample and run of the judge, if every first reply is readable{_more(self.unread)}; "
            "tokens are not known before the data are there"
        )

    def _splitting_calls(self) -> str:
        if self.assumed_pairs is None:
            return UNKNOWN
        return f"{2 * self.assumed_pairs:,} at most, one for each response that is not split yet"

    def _pairs(self) -> str:
        if self.pairs is not None:
            return f"{self.pairs:,}"
        if self.assumed_pairs is None:
            return UNKNOWN
        return f"{self.assumed_pairs:,}, as published or expected; the data are not here yet"


def _told(plan: "JudgePlan") -> str:
    if not plan.calls:
        return "none that cost anything"
    limit = plan.completion_tokens_limit
    replies = "no limit" if limit is None else f"at most {limit:,}"
    return (
        f"{plan.calls:,} for all runs and the base model, if every first reply is readable"
        f"{_more(plan)}; about "
        f"{plan.prompt_tokens_estimate:,} tokens of questions (four characters each, answers of "
        f"600 characters), {replies} of replies"
    )


def _more(plan: "JudgePlan") -> str:
    more = plan.more_calls_limit
    return f", {more:,} more at most if not" if more else ""
