"""Names of the columns that can be computed and where their values live; imports none of them."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.data.columns.column import Column

COMPUTABLE: dict[str, str] = {
    "clip_gap": "harness.data.columns.clip_gap:COLUMN",
}


def column_named(name: str) -> "Column":
    """Import one of them."""
    module, _, attribute = COMPUTABLE[name].partition(":")
    column: Column = getattr(import_module(module), attribute)
    return column
