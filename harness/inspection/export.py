"""Write pairs with the columns of the data, and with clip_gap where it is prepared."""

from pathlib import Path

from harness.console import messages
from harness.data.columns.catalog import GAP
from harness.data.pairs.opening import open_preferences
from harness.data.writers.columns import kept_columns
from harness.data.writers.write import write_as
from harness.inspection.known import known_hardness
from harness.settings.spec import DataSpec


def export_pairs(spec: DataSpec, layout: str, out: Path) -> tuple[Path, int, list[str]]:
    """Write the pairs of a specification; return where, how many, and with which columns.

    Raises:
        HarnessError: The data cannot be used, or there is something at `out`.
    """
    pairs = open_preferences(spec, columns=frozenset({GAP}))
    for said in pairs.said():
        messages.print(said, markup=False)
    known = known_hardness(pairs, spec.hardness)
    computed = {GAP: known.gaps} if known is not None else {}
    place = write_as(layout, pairs, computed, out)
    return place, len(pairs), [*kept_columns(pairs, computed), *computed]
