"""Compute clip_gap for preference data, and leave column, summary and picture where they belong."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from harness.console import messages, track
from harness.data.columns.columns import GAP, columns_of, summary_file
from harness.data.columns.plot import save_histograms
from harness.data.columns.summary import Summary
from harness.data.pairs.export import write_with_column
from harness.data.pairs.opening import open_preferences, selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.faults import require_file
from harness.llm.messages import ChatSettings
from harness.settings.spec import DataSpec

PICTURE, SUMMARY = "clip_gap.png", "clip_gap.json"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    summary: Summary
    column: Path
    """The column in the cache."""
    picture: Path
    data: Path | None
    """The rows with the column, if they were asked for."""
    computed: bool
    """False if the data already had the column."""

    def as_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self) | {"summary": self.summary.model_dump()}, default=str)

    def lines(self) -> list[str]:
        """Return what a user wants to know, line by line."""
        found = self.summary
        lines = [
            f"clip_gap of {found.pairs:,} pairs"
            + ("" if self.computed else ", taken from the data: nothing was computed"),
            f"mean           {found.mean:.6f}",
            f"sigma(mean)    {found.sigma_of_mean:.6f}",
            f"deviation      {found.deviation:.6f}",
            f"range          {found.minimum:.6f} to {found.maximum:.6f}",
            f"column         {self.column}",
            f"summary        {summary_file(self.column)}",
            f"histograms     {self.picture}",
        ]
        if found.report is not None:
            lines.append(f"split by rule  {found.split_by_rule} responses: {found.report}")
        if self.data is not None:
            lines.append(f"data           {self.data}")
        return lines


def prepare(spec: DataSpec, chat: ChatSettings, out: Path | None) -> Prepared:
    """Compute clip_gap or take it from the data; write the rows with it if `out` is given.

    Args:
        spec: The data, and how the column is computed.
        chat: How to reach a language model that splits.
        out: A parquet file, or a folder that receives `pairs.parquet`.

    Raises:
        HarnessError: The data cannot be used, or pairs have no score.
    """
    needed = frozenset({GAP})
    target = _target(out)
    selected = selected_pairs(spec)
    for said in selected.said():
        messages.print(said, markup=False)
    with track("check pairs", len(selected)) as tracker:
        pairs = open_preferences(spec, tracker.advance, needed)
    if left_out := len(selected) - len(pairs):
        messages.print(f"{left_out} unusable pairs are left out.")
    given = GAP in pairs.columns
    if given:
        messages.print(
            f"{pairs.source} has the column clip_gap: it is taken as it is.", markup=False
        )
    with track("compute clip_gap", len(pairs)) as tracker:
        advance = _with_speed(tracker.advance)
        column = columns_of(pairs, needed, spec.hardness, cache_dir(), advance, chat)
    summary = Summary.read(summary_file(column))
    gaps = pq.read_table(column, columns=[GAP])[GAP].to_pylist()
    folder = column.with_suffix("") if target is None else target.with_suffix(".hardness")
    save_histograms(folder / PICTURE, gaps, summary, f"Hardness of {_name(pairs)}")
    if target is not None:
        write_with_column(pairs, GAP, gaps, target)
        write_text(folder / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    return Prepared(summary, column, folder / PICTURE, target, computed=not given)


def _target(out: Path | None) -> Path | None:
    """Return the file of the rows.

    Raises:
        ConfigError: It cannot be written.
    """
    if out is None:
        return None
    target = out if out.suffix == ".parquet" else out / "pairs.parquet"
    require_file(target, "--out")
    return target


def _name(pairs: Preferences) -> str:
    return Path(str(pairs.source)).name


def _with_speed(advance: Callable[[float, str], object]) -> Callable[[int], object]:
    """Say the pairs per second too; what was there at the start does not count."""
    started = time.monotonic()
    done = 0
    first = True

    def told(amount: int) -> None:
        nonlocal done, first
        if first:
            first = False
            advance(amount, "")
            return
        done += amount
        advance(amount, f"{done / (time.monotonic() - started):.0f} pairs/s")

    return told
