"""Write the tables of one size: Markdown for people, long-form CSV for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark
from harness.reporting.compare import RunResult, compare
from harness.reporting.folder import put, write_index
from harness.reporting.over_items.differences import over_items, with_intervals
from harness.reporting.published import FOLDER, read_published
from harness.reporting.words import escaped
from harness.reporting.writers.crosschecks import Checked, crosscheck_section
from harness.reporting.writers.markdown import comparison_markdown
from harness.reporting.writers.records import comparison_records, csv_text, run_records
from harness.reporting.writers.run_table import run_markdown


def write_tables(
    runs: Sequence[RunResult],
    size: str,
    out: Path,
    benchmarks: Sequence[Benchmark[Any]],
    published: Path = FOLDER,
    checked: Sequence[Checked] = (),
    suffix: str = "",
    left_out: Sequence[str] = (),
) -> str:
    """Write the tables of one size into `out` and return the comparison as Markdown.

    `<method>[-<variant>]-<size><suffix>` holds one method, `comparison-<size><suffix>` all of
    them; each as .md and .csv. What a table said before stays in `history/`.

    Args:
        runs: What stands in them.
        size: The size.
        out: The folder of tables.
        benchmarks: In table order.
        published: Folder of published numbers.
        checked: What lmms-eval's own tasks said.
        suffix: What tells the setting from the preset's.
        left_out: Runs that could not be read, a line for each.

    Raises:
        ConfigError: Two runs of one label share a seed.
        DataError: A published number lacks its judge, its source or something else.
    """
    # The tiny world is not what papers evaluate on, so it needs none of their numbers.
    values = [] if size == "tiny" else read_published(published)
    comparison = compare(runs, size, benchmarks, values)
    found = over_items(comparison)
    comparison = with_intervals(comparison, found)
    for row in comparison.rows:
        stem = f"{file_stem(row.runs[0])}{suffix}"
        put(out / f"{stem}.md", run_markdown(row, size, benchmarks))
        put(out / f"{stem}.csv", csv_text(run_records(row, benchmarks)))
    records = comparison_records(comparison, benchmarks, found.differences)
    text = comparison_markdown(comparison, benchmarks, found)
    if section := crosscheck_section(checked, benchmarks):
        text += f"\n{section}\n"
    if left_out:
        text += "\n## Left out\n\n" + "".join(f"- {escaped(line)}\n" for line in left_out)
    put(out / f"comparison-{size}{suffix}.csv", csv_text(records))
    put(out / f"comparison-{size}{suffix}.md", text)
    write_index(out)
    return text


def file_stem(run: RunResult) -> str:
    """Return the file name of a method's table without its ending."""
    return "-".join(part for part in (run.method, run.variant, run.size) if part)
