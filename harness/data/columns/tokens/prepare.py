"""What `prepare` makes of a token column."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.console import track
from harness.data.columns.catalog import span_columns, token_columns_in
from harness.data.columns.tokens.columns import as_cells, ensure_token_columns
from harness.data.pairs.preferences import Preferences
from harness.files.cache import cache_dir
from harness.llm.messages import ChatSettings
from harness.settings.spec import DataSpec


@dataclass(frozen=True)
class PreparedSpans:
    """What was found of one token column."""

    name: str
    pairs: int
    marked: int
    """Pairs with a span."""
    chosen: int
    """Spans of all chosen responses."""
    rejected: int
    column: Path
    """The spans in the cache."""
    data: Path | None
    """The rows with both columns, if they were asked for."""
    computed: bool
    """False if the data already had them."""

    def as_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), default=str)

    def lines(self) -> list[str]:
        """Return what a user wants to know, line by line."""
        taken = "" if self.computed else ", taken from the data: nothing was computed"
        lines = [
            f"{self.name} of {self.pairs:,} pairs{taken}",
            f"pairs marked   {self.marked:,}",
            f"spans          {self.chosen:,} in chosen, {self.rejected:,} in rejected responses",
            f"column         {self.column}",
        ]
        return lines if self.data is None else [*lines, f"data           {self.data}"]


def prepare_spans(
    name: str, pairs: Preferences, spec: DataSpec, chat: ChatSettings, target: Path | None
) -> tuple[dict[str, list[Any]], PreparedSpans]:
    """Return both columns of a token column, and what is to be told of it.

    Raises:
        HarnessError: The data lack what it is computed of, or hold what are no spans.
    """
    with track(f"find {name}", len(pairs)) as tracker:
        found = ensure_token_columns(
            pairs, [name], spec.hardness, cache_dir(), tracker.advance, chat
        )
    assert found is not None
    spans = [one[name] for one in found]
    told = PreparedSpans(
        name=name,
        pairs=len(spans),
        marked=sum(any(both) for both in spans),
        chosen=sum(len(chosen) for chosen, _ in spans),
        rejected=sum(len(rejected) for _, rejected in spans),
        column=found.files[name],
        data=target,
        computed=name not in token_columns_in(pairs),
    )
    return dict(zip(span_columns(name), as_cells(spans), strict=True)), told
