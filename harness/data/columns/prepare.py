"""Compute columns of preference data, and leave them, summaries and picture where they belong."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harness.console import messages, track
from harness.data.columns.catalog import GAP, computable, is_per_token, token_columns_in
from harness.data.columns.columns import columns_of, summary_file, summary_of
from harness.data.columns.plot import save_histograms
from harness.data.columns.summary import Summary
from harness.data.columns.tokens.prepare import PreparedSpans, prepare_spans
from harness.data.pairs.export import write_with_columns
from harness.data.pairs.opening import open_preferences, selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.faults import require_file
from harness.llm.messages import ChatSettings
from harness.registry import hint
from harness.settings.spec import DataSpec

PICTURE = "clip_gap.png"


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made of one column."""

    name: str
    summary: Summary
    column: Path
    """The column in the cache."""
    picture: Path | None
    """Histograms, of clip_gap alone."""
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
            f"{self.name} of {found.pairs:,} pairs"
            + ("" if self.computed else ", taken from the data: nothing was computed"),
            f"mean           {found.mean:.6f}",
            *([f"sigma(mean)    {found.sigma_of_mean:.6f}"] if self.name == GAP else []),
            f"deviation      {found.deviation:.6f}",
            f"range          {found.minimum:.6f} to {found.maximum:.6f}",
            f"column         {self.column}",
        ]
        if self.picture is not None:
            lines.append(f"summary        {summary_file(self.column)}")
            lines.append(f"histograms     {self.picture}")
        if found.report is not None:
            lines.append(f"split by rule  {found.split_by_rule} responses: {found.report}")
        if self.data is not None:
            lines.append(f"data           {self.data}")
        return lines


def prepare(
    spec: DataSpec, chat: ChatSettings, out: Path | None, names: Sequence[str] = (GAP,)
) -> list[Prepared | PreparedSpans]:
    """Compute columns or take them from the data; write the rows with them if `out` is given.

    Args:
        spec: The data, and how clip_gap is computed.
        chat: How to reach a language model that splits.
        out: A parquet file, or a folder that receives `pairs.parquet`.
        names: The columns.

    Raises:
        HarnessError: The data cannot be used, a name is unknown, or pairs have no score.
    """
    needed = frozenset(names)
    target = _target(out)
    selected = selected_pairs(spec)
    known = list(computable())
    for name in needed - set(selected.columns) - set(token_columns_in(selected)) - set(known):
        raise ConfigError(
            f"--columns {name!r}: {selected.source} has no such column, and only "
            f"{', '.join(known)} can be computed. {hint(name, known)}"
        )
    for said in selected.said():
        messages.print(said, markup=False)
    with track("check pairs", len(selected)) as tracker:
        pairs = open_preferences(spec, tracker.advance, needed)
    if left_out := len(selected) - len(pairs):
        messages.print(f"{left_out} unusable pairs are left out.")
    for name in names:
        if name in pairs.columns:
            messages.print(
                f"{pairs.source} has the column {name}: it is taken as it is.", markup=False
            )
    columns: dict[str, Sequence[Any]] = {}
    made: list[Prepared | PreparedSpans] = []
    for name in names:
        find = prepare_spans if _is_per_token(name, pairs) else _made
        values, prepared = find(name, pairs, spec, chat, target)
        columns |= values
        made.append(prepared)
    if target is not None:
        write_with_columns(pairs, columns, target)
        for prepared in made:
            if isinstance(prepared, Prepared):
                summary = prepared.summary.model_dump_json(indent=2)
                place = target.with_suffix(".hardness") / f"{prepared.name}.json"
                write_text(place, summary + "\n")
    return made


def _is_per_token(name: str, pairs: Preferences) -> bool:
    if name in pairs.columns:
        return False
    return is_per_token(name) if name in computable() else name in token_columns_in(pairs)


def _made(
    name: str, pairs: Preferences, spec: DataSpec, chat: ChatSettings, target: Path | None
) -> tuple[dict[str, list[float]], Prepared]:
    """Compute one column, and draw it if it is clip_gap; return its numbers too."""
    with track(f"compute {name}", len(pairs)) as tracker:
        advance = _with_speed(tracker.advance)
        column = columns_of(pairs, frozenset({name}), spec.hardness, cache_dir(), advance, chat)
    values = pq.read_table(column, columns=[name])[name].to_pylist()
    summary = summary_of(column, name, values, {"column of": str(pairs.source)})
    picture = None
    if name == GAP:
        folder = column.with_suffix("") if target is None else target.with_suffix(".hardness")
        picture = folder / PICTURE
        save_histograms(picture, values, summary, f"Hardness of {_name(pairs)}")
    computed = name not in pairs.columns
    return {name: values}, Prepared(name, summary, column, picture, target, computed)


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
