"""The numbers of today: of the base model answered anew, of new trainings, or of run folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.evaluation.held import of_base
from harness.identity.run import Run
from harness.launchers.choose import launcher_of
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark
from harness.regression.moves import is_exact
from harness.regression.reference import Reference
from harness.report.comparison.runs import any_results
from harness.reporting.compare import RunResult, compare
from harness.reporting.over_items.differences import over_items, with_intervals
from harness.reporting.writers.records import Record, run_records
from harness.reproduce.one_run import evaluate_base, run_one
from harness.settings.request import Request
from harness.settings.resolve import resolve, specs_of

SIZE = "tiny"
_PRESET = "dpo"
"""The presets of all methods name the same base model and benchmarks for a size."""


@dataclass(frozen=True)
class Training:
    """Which trainings are made anew."""

    methods: tuple[str, ...]
    """Empty: all that the reference holds."""
    variant: str | None
    seeds: tuple[int, ...]
    worlds: tuple[int, ...]

    def requests(self, reference: Reference, out: Path) -> list[Request]:
        """Return what to reproduce, a request for each method."""
        known = {
            run.method: None
            for run in reference.runs
            if (run.size, run.variant) == (SIZE, self.variant or "") and run.method != "base"
        }
        return [
            Request(
                method=name,
                size=SIZE,
                variant=self.variant,
                seeds=self.seeds,
                worlds=self.worlds,
                out=out,
            )
            for name in self.methods or known
        ]


def base_anew(worlds: Iterable[int], out: Path) -> list[RunResult]:
    """Let the base models of tiny worlds answer and be scored in an empty folder."""
    results = []
    for world in worlds:
        run = Run.of(resolve(_PRESET, SIZE, world=world).spec, out)
        evaluate_base(run, ChatSettings())
        held = of_base(run)
        results.append(
            RunResult(
                "base", "base", None, SIZE, 0, held.scorecards(), items=held.items(), world=world
            )
        )
    return results


def trained_anew(requests: Sequence[Request], out: Path, faults: list[str]) -> list[RunResult]:
    """Train and evaluate what is asked for in an empty folder, the base models too.

    Raises:
        HarnessError: There is no such method or variant, or a training fails.
    """
    asked = [(request, spec) for request in requests for spec in specs_of(request)]
    runs = [(request, Run.of(spec, out)) for request, spec in asked]
    for request, run in runs:
        evaluate_base(run, request.judging)
        run_one(run, request.judging, launcher_of(request))
    return any_results([run.folder.path.name for _, run in runs], out, faults)


def records_of(results: Iterable[RunResult], faults: list[str]) -> list[Record]:
    """Return all numbers of runs, with intervals over items where chance is what decides."""
    return [record for result in results for record in _records(result, faults)]


def _records(result: RunResult, faults: list[str]) -> list[Record]:
    benchmarks = [load_benchmark(name) for name in result.scorecards]
    comparison = compare([result], result.size, benchmarks)
    (row,) = comparison.rows
    plain = run_records(row, benchmarks)
    if all(map(is_exact, plain)):
        return plain
    found = over_items(comparison)
    faults += found.faults
    (row,) = with_intervals(comparison, found).rows
    return run_records(row, benchmarks)
