"""Log-probabilities of drawn pairs in the folder of a run, sealed to what they are made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from harness.errors import DataError, TrainingError, in_words
from harness.files.digests import digest_of
from harness.files.jsonlines import JsonLines, Row
from harness.identity.record import Record
from harness.models.sources import content_hash
from harness.runs.rundir import RunDir

_ROWS = "rows"


@dataclass(frozen=True)
class Sides:
    """Log-probabilities in nats of both responses of a pair, whole, given image and question."""

    chosen: float
    rejected: float

    @property
    def margin(self) -> float:
        """How much more likely the chosen response is."""
        return self.chosen - self.rejected


@dataclass(frozen=True)
class Lengths:
    """Tokens of both responses, their ends included."""

    chosen: int
    rejected: int


@dataclass(frozen=True)
class PairMargins:
    """One pair under the base model and under the trained one."""

    row: int
    """Among the pairs of the training."""
    pair: str
    base: Sides
    trained: Sides
    tokens: Lengths
    clip_gap: float | None = None
    """None where nobody computed it."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """What the data say of its hardness."""

    @property
    def reward_gap(self) -> float:
        """The margin's growth in training, which is the reward gap without beta."""
        return self.trained.margin - self.base.margin

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """Read a row of the file.

        Raises:
            LookupError, TypeError, ValueError: It is none.
        """
        numbers = [*row["base"].values(), *row["trained"].values()]
        numbers += [] if row["clip_gap"] is None else [row["clip_gap"]]
        origin = row["origin"].items()
        if not all(isinstance(one, str) for item in origin for one in item):
            raise TypeError("origin holds texts")
        if not all(math.isfinite(one) for one in numbers):
            raise ValueError("a value is no number")
        sides = {key: Sides(**row[key]) for key in ("base", "trained")}
        return cls(**{**row, **sides, "tokens": Lengths(**row["tokens"])})


@dataclass(frozen=True)
class Source:
    """What decides the log-probabilities of a run's pairs, by content."""

    checkpoint: str
    """The trained model."""
    model: str
    """The base model."""
    data: str
    """The pairs that the training selected."""


@dataclass(frozen=True)
class Margins:
    """What a file holds."""

    source: Source
    total: int
    """Pairs of the training, of which these were drawn."""
    computed: Mapping[str, str]
    """Precision, device and kernels."""
    pairs: tuple[PairMargins, ...]


def write_margins(file: Path, margins: Margins) -> None:
    """Write a file; a reader sees the one before or all of it.

    Raises:
        TrainingError: A model gives no number for a pair.
    """
    rows = [asdict(one) for one in margins.pairs]
    for one in margins.pairs:
        if not math.isfinite(one.base.margin) or not math.isfinite(one.trained.margin):
            raise TrainingError(
                f"pair {one.pair} (row {one.row}) has no finite log-probability: {one.base} under "
                f"the base model, {one.trained} under the trained one."
            )
    head = {
        "made_from": asdict(margins.source),
        "total": margins.total,
        "computed": margins.computed,
        _ROWS: digest_of(rows),
    }
    JsonLines(file).rewrite([head, *rows])


def source_of(run: RunDir, record: Record) -> Source:
    """Return what the log-probabilities of a run's pairs would be made from now.

    Args:
        run: Has its trained model.
        record: What decided the training.
    """
    identity = record.identity
    return Source(
        content_hash(run.model), identity["model"]["content"], identity["data"]["content"]
    )


def read_margins(run: RunDir, record: Record) -> Margins | None:
    """Read what there is of a run; None where nobody scored its pairs.

    Of a run whose model is gone, for a disk's sake, that model is believed.

    Raises:
        DataError: It is damaged, or of another model or other pairs than the run has now.
    """
    if not run.margins.exists():
        return None
    margins = _read(run.margins)
    if run.model.is_dir():
        _require_current(run, margins.source, source_of(run, record))
    return margins


def _require_current(run: RunDir, was: Source, now: Source) -> None:
    told = {"checkpoint": "trained model", "model": "base model", "data": "set of pairs"}
    changed = [what for key, what in told.items() if asdict(was)[key] != asdict(now)[key]]
    if changed:
        raise DataError(
            f"{run.margins} is of another {' and another '.join(changed)} than this run has now. "
            f"{made_by(run.path.name)}"
        )


def made_by(run: str) -> str:
    """Say which command makes the file of a run."""
    return f"Make it: python -m harness margins {run}"


def _read(file: Path) -> Margins:
    try:
        head, *rows = JsonLines(file).read()
        _require_whole(head, rows)
        source = Source(**head["made_from"])
        pairs = tuple(map(PairMargins.of_row, rows))
        return Margins(source, int(head["total"]), dict(head["computed"]), pairs)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{file} is damaged ({in_words(error)}). {made_by(file.parent.name)}"
        ) from error


def _require_whole(head: Row, rows: Sequence[Row]) -> None:
    """Refuse rows that somebody changed, or that lack some.

    Raises:
        ValueError: They are not those that were written.
    """
    if not rows or digest_of(rows) != head[_ROWS]:
        raise ValueError("its rows are not those that were written")
