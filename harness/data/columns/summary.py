"""The column clip_gap from raw scores: who has none, and what the whole looks like."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.data.columns.aggregation import response_gap
from harness.data.columns.score_shards import ScoredPair, Shards
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError
from harness.files.jsonlines import JsonLines
from harness.settings.spec import HardnessSpec

REPORT = "unscored.jsonl"
_SHOWN = 5


@dataclass(frozen=True)
class Unscored:
    """A response that the language model did not split, or a pair without a score."""

    row: int
    side: str
    """`chosen`, `rejected`, or `image`."""
    reason: str


class Summary(BaseModel):
    """What clip_gap looks like over a data set; kept beside the column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int
    mean: float
    sigma_of_mean: float
    """1 / (1 + exp(-mean)), the denominator of alpha_D."""
    deviation: float
    """Root of the mean squared distance from the mean."""
    minimum: float
    maximum: float
    split_by_rule: int
    """Responses that the language model did not split, and the rule did in its place."""
    report: str | None
    """File that lists these."""
    origin: dict[str, str]
    """What decided the values."""

    @classmethod
    def of(
        cls,
        gaps: Sequence[float],
        origin: dict[str, str],
        split_by_rule: int = 0,
        report: Path | None = None,
    ) -> "Summary":
        """Summarise the values of all pairs, one at least."""
        mean = math.fsum(gaps) / len(gaps)
        return cls(
            pairs=len(gaps),
            mean=mean,
            sigma_of_mean=sigmoid(mean),
            deviation=math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps)),
            minimum=min(gaps),
            maximum=max(gaps),
            split_by_rule=split_by_rule,
            report=None if report is None else str(report),
            origin=origin,
        )

    @classmethod
    def read(cls, file: Path) -> "Summary":
        """Read it back.

        Raises:
            DataError: The file is missing or no summary.
        """
        try:
            return cls.model_validate_json(file.read_text("utf-8"))
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{file}: no summary of clip_gap ({error}). Remove this file and the parquet file "
                "beside it; the same command makes both again."
            ) from error


def sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(-value)) without overflow."""
    return 0.5 * (1 + math.tanh(value / 2))


def data_factor(gap: float, mean: float) -> float:
    """Return alpha_D of a pair (Eq. 6 of arXiv:2502.01943)."""
    return sigmoid(gap) / sigmoid(mean)


def collected(
    pairs: Preferences, shards: Shards, hardness: HardnessSpec
) -> tuple[list[float], Summary]:
    """Aggregate the scores of all pairs; what was not split or scored is listed in a report.

    Raises:
        DataError: Pairs have no score; the message names how many, and the report.
    """
    gaps: list[float] = []
    listed: list[Unscored] = []
    without = 0
    for number in range(len(shards)):
        for pair in shards.read(number):
            gap, faults = pair_gap(pair, hardness)
            listed += faults
            if gap is None:
                without += 1
            else:
                gaps.append(gap)
    report = _reported(listed, pairs, shards) if listed else None
    if without:
        raise DataError(_refusal(pairs, without, listed, report))
    origin = json.loads((shards.folder / "key.json").read_text("utf-8"))
    origin |= {"aggregation": hardness.aggregation, "clip_name": hardness.clip}
    return gaps, Summary.of(gaps, origin, split_by_rule=len(listed), report=report)


def pair_gap(pair: ScoredPair, hardness: HardnessSpec) -> tuple[float | None, list[Unscored]]:
    """Return the gap of a pair, None if it has none, and what there is to report."""
    faults = list(_faults(pair))
    unscored = pair.image_fault is not None or (faults and hardness.unscored == "stop")
    if unscored:
        return None, faults
    chosen, rejected = (
        torch.tensor(side.cosines, dtype=torch.float32) for side in (pair.chosen, pair.rejected)
    )
    gap = response_gap(chosen, rejected, pair.scale, hardness)
    if math.isfinite(gap):
        return gap, faults
    return None, [*faults, Unscored(pair.row, "image", f"CLIP gives {gap}")]


def _faults(pair: ScoredPair) -> Iterator[Unscored]:
    if pair.image_fault is not None:
        yield Unscored(pair.row, "image", pair.image_fault)
    for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        if side.fault is not None:
            yield Unscored(pair.row, name, side.fault)


def _reported(listed: Sequence[Unscored], pairs: Preferences, shards: Shards) -> Path:
    """Write one JSON object per response or pair that is to be reported."""
    report = shards.folder / REPORT
    rows = []
    for one in listed:
        file, file_row = pairs.place(one.row)
        place = {"id": pairs.pair_id(one.row), "file": file, "file_row": file_row}
        rows.append(asdict(one) | place)
    JsonLines(report).rewrite(rows)
    return report


def _refusal(
    pairs: Preferences, without: int, listed: Sequence[Unscored], report: Path | None
) -> str:
    images = sum(one.side == "image" for one in listed)
    advice = [
        f"{images} of them for their image: repair or leave out these rows." if images else "",
        "To split the others by rule: prepare --unscored sentences, or "
        "--set data.hardness.unscored=sentences."
        if images < without
        else "",
    ]
    shown = "".join(f"\n  row {one.row}, {one.side}: {one.reason}" for one in listed[:_SHOWN])
    more = f"\n  and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return (
        f"{pairs.source}: {without} of {len(pairs)} pairs have no clip_gap. Everything else is "
        f"computed and kept; the full list is {report}. {' '.join(filter(None, advice))}"
        f"{shown}{more}"
    )
