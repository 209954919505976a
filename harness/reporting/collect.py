"""Which runs are finished, and how they stand side by side."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.types import Scorecard
from harness.console import messages, results
from harness.errors import ConfigError
from harness.evaluation.crosscheck.crosscheck import LMMS_TASKS, CrossCheck, read_crosscheck
from harness.files.digests import text_digest
from harness.registry import load_benchmark, method_names
from harness.reporting.compare import RunResult, compare
from harness.reporting.tables import write_tables
from harness.reporting.writers.ablation_table import write_ablation
from harness.reporting.writers.terminal import rich_table
from harness.runs.rundir import RunDir
from harness.runs.state import base_folder, finished
from harness.settings.ablation import AblationRow
from harness.settings.preset_files import read_preset, sizes
from harness.settings.request import Request
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec
from harness.world.places import locate_spec


def print_comparison(request: Request, specs: Sequence[RunSpec]) -> None:
    """Write the tables of the size and print the comparison.

    Beside the runs of the request stand the base model and every finished run of another method
    that follows its preset to the letter, with the seeds of the request.
    """
    print_joint_comparison([(request, spec) for spec in specs])


def print_joint_comparison(asked: Sequence[tuple[Request, RunSpec]]) -> None:
    """Do the same for the runs of several requests, of one size and with the same seeds."""
    (request, spec), *_ = asked
    tables = request.out / "tables"
    runs = [_base_result(spec, request.out), *(_own_result(*one) for one in asked)]
    folders = [RunDir(base_folder(spec, request.out))]
    folders += [RunDir.at(request.out / "runs", spec) for _, spec in asked]
    checked = [(run, _checks(folder)) for run, folder in zip(runs, folders, strict=True)]
    runs += _other_results(request, {run.label for run in runs})
    benchmarks = [load_benchmark(name) for name in spec.evaluation.benchmarks]
    write_tables(runs, request.size, tables, benchmarks, checked=checked)
    messages.print(f"{tables / f'comparison-{request.size}.md'}", markup=False)
    results.print(rich_table(compare(runs, request.size, benchmarks)))


def _checks(run: RunDir) -> dict[str, CrossCheck]:
    """Return what lmms-eval's own tasks said about a run, if they were asked."""
    found = {name: read_crosscheck(run.path, name) for name in LMMS_TASKS}
    return {name: check for name, check in found.items() if check is not None}


def print_ablation(request: Request, rows: Sequence[AblationRow]) -> None:
    """Write and print the ablation table: the base model, then the rows in their order."""
    first, changed = rows[0].specs[0], _changed(request)
    base = replace(
        _base_result(first, request.out),
        provenance={"run": base_folder(first, request.out).name},
    )
    runs = [base, *_row_results(request, rows)]
    asked, _ = read_preset(request.method, request.size).variant(request.variant)
    variant = _variant(asked, changed)
    title = " ".join(part for part in ("Ablation of", request.method, variant) if part)
    parts = ("ablation", request.method, variant, request.size)
    stem = request.out / "tables" / "-".join(part for part in parts if part)
    benchmarks = [load_benchmark(name) for name in first.evaluation.benchmarks]
    changes = {row.label: _told(row, changed) for row in rows}
    comparison = write_ablation(runs, title, stem, benchmarks, changes)
    messages.print(f"{stem}.md", markup=False)
    results.print(rich_table(comparison, title))


def _row_results(request: Request, rows: Sequence[AblationRow]) -> Iterator[RunResult]:
    """Yield the runs; in the CSV one that the row changes has the row's label for a variant."""
    for place, row in enumerate(rows, start=1):
        for spec in row.specs:
            run = RunDir.at(request.out / "runs", spec)
            ordinary = spec.method != request.method or not row.changes
            variant = spec.variant if ordinary else row.label
            result = _result(run, spec, row.label, _variant(variant, _changed(request)))
            yield replace(result, place=place, provenance={"run": run.path.name})


def _told(row: AblationRow, changed: Sequence[str]) -> list[str]:
    own = [f"{key}={json.dumps(value.value)}: {value.source}" for key, value in row.changes]
    return [*(own or [f"{row.specs[0].label} as its preset says"]), *changed]


def _own_result(request: Request, spec: RunSpec) -> RunResult:
    changed = _changed(request)
    run = RunDir.at(request.out / "runs", spec)
    label = f"{spec.label} ({', '.join(changed)})" if changed else spec.label
    return _result(run, spec, label, _variant(spec.variant, changed))


def _variant(variant: str | None, changed: Sequence[str]) -> str | None:
    """Return what tells runs of one method apart in file names and in the CSV."""
    hashed = "changed-" + text_digest("\0".join(changed), digits=6) if changed else None
    return "-".join(mark for mark in (variant, hashed) if mark) or None


def _changed(request: Request) -> list[str]:
    devices = [] if request.devices is None else [f"devices={request.devices}"]
    return [*request.overrides, *devices]


def _other_results(request: Request, present: set[str]) -> Iterator[RunResult]:
    for method in method_names():
        if request.size not in sizes(method):
            continue
        for variant in (None, *read_preset(method, request.size).variants):
            for seed in request.seeds:
                spec = locate_spec(resolve(method, request.size, variant, seed=seed).spec)
                run = RunDir.at(request.out / "runs", spec)
                if spec.label not in present and run.path.exists() and finished(run):
                    yield _result(run, spec, spec.label, variant)


def _base_result(spec: RunSpec, out: Path) -> RunResult:
    run = RunDir(base_folder(spec, out))
    cards = _scorecards(run, spec)
    return RunResult("base", "base", None, spec.size, 0, cards)


def _result(run: RunDir, spec: RunSpec, label: str, variant: str | None) -> RunResult:
    cards = _scorecards(run, spec)
    return RunResult(label, spec.method, variant, spec.size, spec.seed, cards)


def _scorecards(run: RunDir, spec: RunSpec) -> dict[str, Scorecard]:
    cards = {}
    for name in spec.evaluation.benchmarks:
        file = run.scorecards / f"{name}.json"
        try:
            cards[name] = Scorecard(**json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"{file} is not a scorecard ({error}). Remove it, and the same command scores "
                "the answers again."
            ) from error
    return cards
