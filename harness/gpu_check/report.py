"""The tables of a check."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from harness.console import results

_GIB = 2**30
_REPEAT = {None: "", True: "to the bit", False: "nearly"}


def show(found: Mapping[str, Any]) -> None:
    """Print equality, steps and answers."""
    title = f"one {found['device']['name']}, {found['size']}, {found['layers']} decoder layers, "
    results.print(_equality(found["equality"]))
    results.print(_steps(found["steps"], title + found["kernels"]))
    results.print(f"again: layers that are run again; engine: {_engines(found['steps'])}")
    for row in found["profiles"]:
        results.print(_profile(row))
    results.print(_generation(found["generation"]))


def _engines(rows: list[Mapping[str, Any]]) -> str:
    """Name each engine with the steps that it ran."""
    steps: dict[str, list[str]] = {}
    for row in rows:
        named = steps.setdefault(row["engine"], [])
        named += [row["step"]] if row["step"] not in named else []
    return "; ".join(f"{engine} ({', '.join(named)})" for engine, named in steps.items())


def _equality(rows: list[Mapping[str, Any]]) -> Table:
    table = Table(
        "what", "kernel", "in", "relative error", "bound", "gradients repeat", title="equality"
    )
    for row in rows:
        error = row["missing"] if row["error"] is None else f"{row['error']:.1e}"
        error += ": WRONG" if row["exact"] is False else ""
        repeat = _REPEAT[row.get("gradients_repeat")]
        bound = f"{row['bound']:.0e}"
        table.add_row(row["what"], row["kernel"], row["dtype"], error, bound, repeat)
    return table


def _steps(rows: list[Mapping[str, Any]], title: str) -> Table:
    table = Table("step", "kernels", title=title, padding=(0, 0))
    for name in ("again", "pairs", "s", "pairs/s", "tokens/s", "useful", "peak GiB", "over plan"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["step"],
            row["kernels"],
            str(row["layers_run_again"]),
            str(row["pairs"]),
            row["fault"] or _number(row["seconds"], ".4f"),
            _number(row["pairs_per_second"], ".2f"),
            _number(row["tokens_per_second"], ",.0f"),
            _number(row["utilisation"], ".1%"),
            _gib(row["peak_bytes"]),
            _number(row["peak_over_plan"], ".2f"),
        )
    return table


def _profile(row: Mapping[str, Any]) -> Table:
    title = f"where {row['seconds']:.4f} s of {row['step']} go, {row['pairs']} pairs"
    table = Table("kind of kernel", "share", title=f"{title}, {row['kernels']}")
    for kind, share in row["shares"].items():
        table.add_row(kind, f"{share:.1%}")
    return table


def _generation(rows: list[Mapping[str, Any]]) -> Table:
    table = Table("questions", "way", title="answers")
    for name in ("answers", "tokens each", "s", "answers/s", "tokens/s", "same", "peak GiB"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["questions"],
            row["way"],
            str(row["count"]),
            str(row["new_tokens"]),
            _number(row["seconds"], ".3f"),
            _number(row["answers_per_second"], ".2f"),
            _number(row["tokens_per_second"], ",.0f"),
            f"{row['same_as_first_way']} of {row['count']}",
            _gib(row["peak_bytes"]),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _gib(value: int | None) -> str:
    return "" if value is None else f"{value / _GIB:.2f}"
