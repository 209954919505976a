"""Which runs stand side by side, and what they and their tables say."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.types import Scorecard
from harness.console import messages, results
from harness.errors import ConfigError
from harness.evaluation.crosscheck.crosscheck import LMMS_TASKS, CrossCheck, read_crosscheck
from harness.files.digests import text_digest
from harness.registry import load_benchmark, method_names
from harness.reporting.compare import RunResult, compare
from harness.reporting.provenance import provenance
from harness.reporting.tables import write_tables
from harness.reporting.writers.ablation_table import write_ablation
from harness.reporting.writers.terminal import rich_table
from harness.runs.rundir import RunDir
from harness.runs.state import Run
from harness.settings.ablation import AblationRow
from harness.settings.preset_files import read_preset, sizes
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.world.places import are_built, locate_spec


def print_comparison(request: Request, runs: Sequence[Run]) -> None:
    """Write the tables of the size and print the comparison.

    Beside the runs of the request stand the base model and every finished run of another method
    that follows its preset to the letter, with the seeds of the request.
    """
    print_joint_comparison([(request, run) for run in runs])


def print_joint_comparison(asked: Sequence[tuple[Request, Run]]) -> None:
    """Do the same for the runs of several requests, of one size and with the same seeds."""
    (request, run), *_ = asked
    tables = request.out / "tables"
    found = [_base_result(run), *(_own_result(*one) for one in asked)]
    folders = [run.base, *(run.folder for _, run in asked)]
    checked = [(result, _checks(folder)) for result, folder in zip(found, folders, strict=True)]
    found += _other_results(request, {result.label for result in found})
    benchmarks = [load_benchmark(name) for name in run.spec.evaluation.benchmarks]
    write_tables(found, request.size, tables, benchmarks, checked=checked)
    messages.print(f"{tables / f'comparison-{request.size}.md'}", markup=False)
    results.print(rich_table(compare(found, request.size, benchmarks)))


def _checks(folder: RunDir) -> dict[str, CrossCheck]:
    """Return what lmms-eval's own tasks said about a run, if they were asked."""
    found = {name: read_crosscheck(folder.path, name) for name in LMMS_TASKS}
    return {name: check for name, check in found.items() if check is not None}


def print_ablation(request: Request, rows: Sequence[AblationRow], runs: Sequence[Run]) -> None:
    """Write and print the ablation table: the base model, then the rows in their order.

    Args:
        request: What was asked for.
        rows: The rows of the table.
        runs: The runs of all rows, one after the other.
    """
    found = [_base_result(runs[0]), *_row_results(request, rows, runs)]
    asked, _ = read_preset(request.method, request.size).variant(request.variant)
    changed = _changed(request)
    variant = _variant(asked, changed)
    title = " ".join(part for part in ("Ablation of", request.method, variant) if part)
    parts = ("ablation", request.method, variant, request.size)
    stem = request.out / "tables" / "-".join(part for part in parts if part)
    benchmarks = [load_benchmark(name) for name in runs[0].spec.evaluation.benchmarks]
    changes = {row.label: _told(row, changed) for row in rows}
    comparison = write_ablation(found, title, stem, benchmarks, changes)
    messages.print(f"{stem}.md", markup=False)
    results.print(rich_table(comparison, title))


def _row_results(
    request: Request, rows: Sequence[AblationRow], runs: Sequence[Run]
) -> Iterator[RunResult]:
    """Yield the runs; in the CSV one that the row changes has the row's label for a variant."""
    rest = iter(runs)
    for place, row in enumerate(rows, start=1):
        for run in islice(rest, len(row.specs)):
            ordinary = run.spec.method != request.method or not row.changes
            variant = run.spec.variant if ordinary else row.label
            result = _result(run, row.label, _variant(variant, _changed(request)))
            yield replace(result, place=place)


def _told(row: AblationRow, changed: Sequence[str]) -> list[str]:
    own = [f"{key}={json.dumps(value.value)}: {value.source}" for key, value in row.changes]
    return [*(own or [f"{row.specs[0].label} as its preset says"]), *changed]


def _own_result(request: Request, run: Run) -> RunResult:
    changed = _changed(request)
    label = f"{run.spec.label} ({', '.join(changed)})" if changed else run.spec.label
    return _result(run, label, _variant(run.spec.variant, changed))


def _variant(variant: str | None, changed: Sequence[str]) -> str | None:
    """Return what tells runs of one method apart in file names and in the CSV."""
    hashed = "changed-" + text_digest("\0".join(changed), digits=6) if changed else None
    return "-".join(mark for mark in (variant, hashed) if mark) or None


def _changed(request: Request) -> list[str]:
    devices = [] if request.devices is None else [f"devices={request.devices}"]
    return [*request.overrides, *devices]


def _other_results(request: Request, present: set[str]) -> Iterator[RunResult]:
    plain = request.model_copy(update={"overrides": (), "devices": None})
    for method in method_names():
        if request.size not in sizes(method):
            continue
        for variant in (None, *read_preset(method, request.size).variants):
            for spec in specs_of(plain.model_copy(update={"method": method, "variant": variant})):
                # Of a world that nobody has built there is no run to look for.
                if spec.label in present or not are_built([spec]):
                    continue
                run = Run(spec, locate_spec(spec), request.out)
                if run.folder.path.exists() and run.finished:
                    yield _result(run, spec.label, variant)


def _base_result(run: Run) -> RunResult:
    size = run.spec.size
    return RunResult(
        "base", "base", None, size, 0, _scorecards(run.base, run), provenance(run.base)
    )


def _result(run: Run, label: str, variant: str | None) -> RunResult:
    spec, folder = run.spec, run.folder
    return RunResult(
        label,
        spec.method,
        variant,
        spec.size,
        spec.seed,
        _scorecards(folder, run),
        provenance(folder),
    )


def _scorecards(folder: RunDir, run: Run) -> dict[str, Scorecard]:
    return {
        name: _scorecard(folder.scorecards / f"{name}.json")
        for name in run.spec.evaluation.benchmarks
    }


def _scorecard(file: Path) -> Scorecard:
    try:
        return Scorecard(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{file} is not a scorecard ({error}). Remove it, and the same command scores "
            "the answers again."
        ) from error
