"""The card of a judge: kept beside the stored replies, and told in a line."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.console import messages
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.digests import text_digest
from harness.reporting.judge_card.found import Agreement, Interval

FOLDER = "judge-cards"


class Entry(BaseModel):
    """What a judge said about the answers of one model, beside another's grades of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmark: str
    model: str
    """Whose answers."""
    judge: str
    other: str
    """With whom it is compared: the official judge, as far as the public replies name one."""
    answers: int
    """Graded by both."""
    unreadable: int
    """Of the judge's replies."""
    totals: dict[str, float]
    other_totals: dict[str, float]
    agreement: Agreement
    itself: Agreement | None = None
    """Of the other judge's runs with one another."""

    def line(self) -> str:
        """Return the entry in one line, for a table that uses the judge."""
        found, own = self.agreement, self.itself
        yardstick = f" ({_number(own.error)} of that judge with itself)" if own else ""
        verdicts = f", verdicts alike {_share(found.verdicts)}" if found.verdicts.value else ""
        return (
            f"judge card, {self.model}'s {self.answers} answers beside {self.other}: bias "
            f"{_signed(found.bias)}, mean absolute error {_number(found.error)}{yardstick}, rank "
            f"correlation {_number(found.rank)}{verdicts}"
        )


class Card(BaseModel):
    """All entries about one judge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked: str
    against: str
    made: datetime
    entries: tuple[Entry, ...]

    @property
    def file(self) -> Path:
        """Where the card is kept: one for each judge and profile as they were asked."""
        words = "".join(one if one.isalnum() or one in "-." else "-" for one in self.asked)
        name = f"{words[:60]}-{text_digest(self.asked, self.against, digits=8)}"
        return cache_dir() / FOLDER / f"{name}.json"

    def write(self) -> Path:
        """Keep the card beside the replies, in place of an older one of this judge."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.file, self.model_dump_json(indent=2) + "\n")
        return self.file


def lines_of(benchmark: str, judge: str) -> Iterator[str]:
    """Yield what the kept cards say about a judge, as a scorecard names it, on a benchmark."""
    folder = cache_dir() / FOLDER
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            card = Card.model_validate_json(file.read_text("utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            messages.print(f"{file}: not a judge card, left out", markup=False)
            continue
        for entry in card.entries:
            if (entry.benchmark, entry.judge) == (benchmark, judge.partition("; ")[0]):
                yield entry.line()


def _number(value: Interval) -> str:
    return "not defined" if value.value is None else f"{value.value:.3f}{_interval(value)}"


def _signed(value: Interval) -> str:
    return "not defined" if value.value is None else f"{value.value:+.3f}{_interval(value)}"


def _share(value: Interval) -> str:
    return "not defined" if value.value is None else f"{value.value:.0%}"


def _interval(value: Interval) -> str:
    return f" [{value.low:.3f}, {value.high:.3f}]"
