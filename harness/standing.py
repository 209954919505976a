"""Which runs are finished, and how they stand side by side."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.types import Scorecard
from harness.console import messages, results
from harness.errors import ConfigError
from harness.preset_files import read_preset, sizes
from harness.presets import resolve
from harness.registry import load_benchmark, method_names
from harness.reporting.compare import RunResult, compare
from harness.reporting.tables import rich_table, write_tables
from harness.request import Request
from harness.rundir import RunDir
from harness.sources import locate_spec
from harness.spec import RunSpec


def unfinished_benchmarks(run: RunDir, spec: RunSpec) -> list[str]:
    """Return the benchmarks of a run that have no scorecard yet."""
    return [
        name
        for name in spec.evaluation.benchmarks
        if not (run.scorecards / f"{name}.json").exists()
    ]


def finished(run: RunDir) -> bool:
    """Say whether a run is trained and has all its scorecards."""
    return run.model.exists() and not unfinished_benchmarks(run, run.read_spec())


def base_folder(spec: RunSpec, out: Path) -> Path:
    """Return the folder of the untrained model's evaluation.

    Its name holds a hash of the model and of how it is evaluated, and of nothing else.
    """
    values = {"model": spec.model.model_dump(), "evaluation": spec.evaluation.model_dump()}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
    return (out / "runs" / f"base-{spec.size}-{digest}").resolve()


def print_comparison(request: Request, specs: Sequence[RunSpec]) -> None:
    """Write the tables of the size and print the comparison.

    Beside the runs of the request stand the base model and every finished run of another method
    that follows its preset to the letter, with the seeds of the request.
    """
    tables = request.out / "tables"
    runs = [_base_result(specs[0], request.out), *_own_results(request, specs)]
    runs += _other_results(request, {run.label for run in runs})
    benchmarks = [load_benchmark(name) for name in specs[0].evaluation.benchmarks]
    write_tables(runs, request.size, tables, benchmarks)
    messages.print(f"{tables / f'comparison-{request.size}.md'}", markup=False)
    results.print(rich_table(compare(runs, request.size, benchmarks)))


def _own_results(request: Request, specs: Sequence[RunSpec]) -> Iterator[RunResult]:
    for spec in specs:
        run = RunDir.at(request.out / "runs", spec)
        changed = _changed(request)
        label = f"{spec.label} ({', '.join(changed)})" if changed else spec.label
        marks = [spec.variant, f"changed-{_short_hash(changed)}" if changed else None]
        variant = "-".join(mark for mark in marks if mark) or None
        yield _result(run, spec, label, variant)


def _changed(request: Request) -> list[str]:
    devices = [] if request.devices is None else [f"devices={request.devices}"]
    return [*request.overrides, *devices]


def _short_hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:6]


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
