"""The columns that can be computed: ours and those of packages; none is imported to be listed."""

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import ConfigError, MissingColumn
from harness.files.sources import source_digest

if TYPE_CHECKING:
    from harness.data.columns.column import Column, TokenColumn
    from harness.data.pairs.preferences import Preferences

GROUP = "harness.columns"
COMPUTABLE: dict[str, str] = {
    "clip_gap": "harness.data.columns.clip_gap:COLUMN",
    "margin_factor": "harness.data.columns.margins.margin_factor:COLUMN",
    "severity": "harness.data.columns.margins.severity:COLUMN",
    "token_severity": "harness.data.columns.tokens.token_severity:COLUMN",
}
_MADE_OF_DATA = {
    "margin_factor": "harness.data.columns.margins.rewards",
    "severity": "harness.data.columns.margins.severity",
}
"""Of columns that are made of others: the module whose `lacking` says what data do not have, and
whose `NAMES` are those others."""
GAP = "clip_gap"
"""The column that a CLIP computes, of pieces of the responses."""
SIDES = ("chosen", "rejected")
_NEAR = 0.5
"""Least similarity of a name that is offered in the place of another one."""
_SHOWN = 8


def computable() -> Mapping[str, registry.Entry]:
    """Return all columns that can be computed by name, sorted, none of them imported."""
    return registry.entries("column", COMPUTABLE, GROUP)


def column_named(name: str) -> "Column":
    """Import one of them that is a number per pair.

    Raises:
        ConfigError: There is none of this name, or its package cannot be loaded.
    """
    entry = registry.find(name, computable(), "column")
    from harness.data.columns.column import Column

    return registry.checked(entry, Column)


def token_column_named(name: str) -> "TokenColumn":
    """Import one of them that is a number per token.

    Raises:
        ConfigError: There is none of this name, or its package cannot be loaded.
    """
    entry = registry.find(name, computable(), "column")
    from harness.data.columns.column import TokenColumn

    return registry.checked(entry, TokenColumn)


def is_per_token(name: str) -> bool:
    """Say whether a column that can be computed is a number per token; it is imported.

    Raises:
        ConfigError: There is none of this name, or its package cannot be loaded.
    """
    from harness.data.columns.column import TokenColumn

    return isinstance(registry.find(name, computable(), "column").load(), TokenColumn)


def column_of_any_kind(name: str) -> "Column | TokenColumn":
    """Import one of them.

    Raises:
        ConfigError: There is none of this name, or its package cannot be loaded.
    """
    return token_column_named(name) if is_per_token(name) else column_named(name)


def code_of_packages(names: Iterable[str]) -> dict[str, str]:
    """Return the digest of the code of each of these columns that a package brings.

    Ours say themselves, in `decided_by`, what decides their numbers.

    Raises:
        ConfigError: A package cannot be loaded.
    """
    entries = computable()
    code: dict[str, str] = {}
    for name in sorted(entries.keys() & set(names)):
        if entries[name].distribution != registry.BUILT_IN:
            column_of_any_kind(name)  # what is wrong with the package is told by who imports it
            code[name] = source_digest(entries[name].module)
    return code


def require_columns(pairs: "Preferences", needed: frozenset[str], whose: str) -> None:
    """Refuse data that lack a needed column which nothing computes, or what it is computed of.

    Args:
        pairs: The data.
        needed: Names of columns.
        whose: Who needs them, as written in the message.

    Raises:
        MissingColumn: Columns are missing; the message offers those that may be meant.
    """
    missing = sorted(needed - set(pairs.columns) - computable().keys())
    if missing:
        raise MissingColumn(
            f"{pairs.source}: no column {_quoted(missing)}, which {whose} needs. "
            f"{_in_data(pairs, missing)} {_to_compute(pairs, missing, list(computable()))} "
            "Rename the column in the data, add it to them, or let a package compute it under the "
            f"entry point {GROUP} (python -m harness new column NAME)."
        )
    for name in sorted(_MADE_OF_DATA.keys() & needed - set(pairs.columns)):
        made_of = import_module(_MADE_OF_DATA[name])
        if what := made_of.lacking(pairs):
            raise MissingColumn(
                f"{pairs.source}: no column {name!r}, which {whose} needs. {what} "
                f"{_in_data(pairs, made_of.NAMES)}"
            )


def require_token_columns(pairs: "Preferences", needed: Iterable[str], whose: str) -> None:
    """Refuse data that lack the spans of a token column which nothing computes of them.

    Args:
        pairs: The data.
        needed: Names of token columns.
        whose: Who needs them, as written in the message.

    Raises:
        MissingColumn: Columns are missing; the message offers those that may be meant.
        ConfigError: The package that would compute one cannot be loaded.
    """
    there = token_columns_in(pairs)
    for name in sorted(set(needed) - set(there)):
        if name not in computable() or not is_per_token(name):
            offered = _near([name], there) or there[:_SHOWN]
            in_data = (
                f"Token columns in the data: {_quoted(offered)}."
                if offered
                else "The data have no token column."
            )
            raise MissingColumn(
                f"{pairs.source}: no columns {_quoted(span_columns(name))} of spans, which {whose} "
                f"needs. {in_data} {_to_compute(pairs, [name], _per_token())} "
                "Rename the columns in the data, add them to them (docs/preference-data.md tells "
                f"their form), or let a package compute {name!r} under the entry point {GROUP}, as "
                "a TokenColumn."
            )
        if what := token_column_named(name).lacking(pairs):
            raise MissingColumn(
                f"{pairs.source}: no columns {_quoted(span_columns(name))} of spans, which {whose} "
                f"needs. {what}"
            )


def span_columns(name: str) -> tuple[str, str]:
    """Return the two columns of the data that a token column stands in, chosen first."""
    return f"{SIDES[0]}_{name}", f"{SIDES[1]}_{name}"


def token_columns_in(pairs: "Preferences") -> list[str]:
    """Return the token columns that data have: both of `span_columns`, not as numbers."""
    start = span_columns("")[0]
    names = [name.removeprefix(start) for name in pairs.columns if name.startswith(start)]
    return [
        name
        for name in filter(None, names)
        if pairs.columns.count(span_columns(name)[1])
        and not any(map(pairs.holds_numbers, span_columns(name)))
    ]


def _per_token() -> list[str]:
    """Return the token columns that can be computed; what cannot be loaded is left out."""
    found = []
    for name in computable():
        with suppress(ConfigError):
            found += [name] if is_per_token(name) else []
    return found


def _in_data(pairs: "Preferences", missing: Iterable[str]) -> str:
    numbers = [name for name in pairs.columns if pairs.holds_numbers(name)]
    if not numbers:
        return "The data have no column of numbers."
    if near := _near(missing, numbers):
        return f"Nearest in the data: {_quoted(near)}."
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"Columns of numbers in the data: {_quoted(numbers[:_SHOWN])}{more}."


def _to_compute(pairs: "Preferences", missing: Iterable[str], known: Sequence[str]) -> str:
    near = _near(missing, known)
    if not near:
        return f"Computed can be: {_quoted(known) or 'none'}."
    words = f"--columns {','.join(near)} --data {shlex.quote(str(pairs.source))} --out FILE.parquet"
    return f"Nearest that can be computed: {_quoted(near)}, with: python -m harness prepare {words}"


def _near(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the known names that are like one of the wanted, letter case aside."""
    lower = {name.lower(): name for name in known}
    found = (difflib.get_close_matches(name.lower(), lower, 3, _NEAR) for name in wanted)
    return list(dict.fromkeys(lower[name] for near in found for name in near))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
