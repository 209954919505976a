"""Pairs read from hard to easy."""

import numpy as np
from rich.table import Table
from rich.text import Text

from harness.console import messages, results, visible
from harness.data.columns.catalog import GAP
from harness.data.pairs.opening import open_preferences
from harness.errors import DataError
from harness.inspection.known import known_hardness
from harness.settings.spec import DataSpec

SHOWN = 160
"""Characters of a text."""


def print_by_hardness(spec: DataSpec, top: int, hard_first: bool) -> None:
    """Print the hardest or the easiest pairs with clip_gap, alpha_D and their texts.

    Raises:
        DataError: clip_gap is neither in the data nor computed.
    """
    pairs = open_preferences(spec, columns=frozenset({GAP}))
    for said in pairs.said():
        messages.print(said, markup=False)
    known = known_hardness(pairs, spec.hardness)
    if known is None:
        raise DataError(
            f"{pairs.source}: no clip_gap was computed with these options. Compute it first: "
            f"python -m harness prepare --columns clip_gap --data {pairs.source}"
        )
    order = np.argsort(known.gaps, kind="stable")
    rows = (order if hard_first else order[::-1])[:top].tolist()
    table = Table("row", "clip_gap", "alpha_D", "question", "chosen", "rejected", show_lines=True)
    for row in rows:
        texts = (Text(shortened(text)) for text in pairs.texts(row)[:3])
        table.add_row(str(row), f"{known.gaps[row]:+.4f}", f"{known.factor(row):.4f}", *texts)
    results.print(table)
    end = "hardest" if hard_first else "easiest"
    messages.print(
        f"the {len(rows)} {end} of {len(pairs)} pairs; mean of clip_gap {known.summary.mean:.6f}",
        markup=False,
    )


def shortened(text: str) -> str:
    """Return the start of a text as one printable line."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."
