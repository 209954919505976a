"""Which runs stand side by side, and what they and their tables say."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from harness.console import messages, results
from harness.evaluation.crosscheck.crosscheck import LMMS_TASKS, CrossCheck, read_crosscheck
from harness.evaluation.held import Held, of_base, of_run
from harness.files.faults import told
from harness.identity.labels import changes_of, label_of, variant_of
from harness.identity.run import Run
from harness.registry import load_benchmark
from harness.reporting.alike import unlike
from harness.reporting.beside import beside, of_0_1
from harness.reporting.claims.runs import claims_of
from harness.reporting.claims.show import lines_of
from harness.reporting.compare import Comparison, RunResult, compare
from harness.reporting.naming import suffix_of
from harness.reporting.over_items.differences import over_items, with_intervals
from harness.reporting.provenance import provenance
from harness.reporting.tables import write_tables
from harness.reporting.writers.ablation_table import write_ablation
from harness.reporting.writers.crosschecks import Checked
from harness.reporting.writers.differences import differences_table, groups
from harness.reporting.writers.general_ability import print_abilities
from harness.reporting.writers.terminal import rich_table
from harness.settings.ablation import AblationRow
from harness.settings.preset_files import read_preset
from harness.settings.request import Request
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec


def print_comparison(request: Request, runs: Sequence[Run]) -> None:
    """Write the tables of the size and print the comparison.

    Beside the runs of the request stand the base model and every finished run that starts from the
    same model and was judged in the same way, whatever words asked for it.
    """
    print_joint_comparison([(request, run) for run in runs])


def print_joint_comparison(asked: Sequence[tuple[Request, Run]]) -> None:
    """Do the same for the runs of several requests, of one size."""
    (request, run), *_ = asked
    runs = [one for _, one in asked]
    found: list[RunResult] = []
    checked: list[Checked] = []
    faults: list[str] = []
    for own in _by_world(runs).values():
        base = of_base(own[0])
        held = [base, *filter(None, map(of_run, own))]
        made = [
            _base_result(base, own[0].spec),
            *(_result(one, label_of(one.spec)) for one in own),
        ]
        checked += [(result, _checks(one)) for result, one in zip(made, held, strict=True)]
        others, wrong = _beside(base, own, request)
        folders = {one.folder.path.name for one in held}
        found += [*made, *(one for one in others if one.provenance["run"] not in folders)]
        faults += [fault for fault in wrong if fault not in faults]
    for fault in faults:
        messages.print(fault, markup=False)
    benchmarks = [load_benchmark(name) for name in run.spec.evaluation.benchmarks]
    suffix, tables = suffix_of(runs), request.out / "tables"
    with _writing(tables, f"comparison-{request.size}{suffix}"):
        write_tables(
            found,
            request.size,
            tables,
            benchmarks,
            checked=checked,
            suffix=suffix,
            left_out=faults,
        )
    _print_table(compare(found, request.size, benchmarks))
    _print_claims(asked, found)


def _print_claims(asked: Sequence[tuple[Request, Run]], found: Sequence[RunResult]) -> None:
    """Print what the runs say of the claims of each method that was asked for."""
    methods = {(request.method, request.variant): (request, run) for request, run in asked}
    for request, run in methods.values():
        judged = claims_of(request, run.spec.model.path, found)
        for line in lines_of(judged) if judged.judged else ():
            results.print(line, markup=False, highlight=False)


def _print_table(comparison: Comparison, title: str = "Comparison") -> None:
    """Print the rows, and the differences from base and DPO that can be told; files hold all."""
    found = over_items(comparison)
    results.print(rich_table(with_intervals(comparison, found), title))
    for note in unlike(comparison):
        results.print(note, markup=False, highlight=False)
    for against, group in groups(found).items():
        shown = [one for one in group if one.is_shown]
        if shown:
            results.print(differences_table(against, shown))
        results.print(
            f"{len(group) - len(shown)} of {len(group)} differences from {against} cannot be told "
            "from chance; the table's file lists them.",
            markup=False,
            highlight=False,
        )
    print_abilities([run for row in comparison.rows for run in row.runs])


def _by_world(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Group the runs by their worlds, each of which has a base model of its own."""
    worlds: dict[int, list[Run]] = {}
    for run in runs:
        worlds.setdefault(run.spec.world, []).append(run)
    return worlds


def _beside(base: Held, runs: Sequence[Run], request: Request) -> tuple[list[RunResult], list[str]]:
    """Return what stands beside runs of one world, and what is wrong with what does not."""
    own = {label_of(one.spec): one.identity for one in runs}
    content = runs[0].identity["model"]["content"]
    others, faults = beside(base, content, request.size, own, request.out)
    model = Path(runs[0].located.model.path)
    old, more = of_0_1(base, model, request.size, request.out)
    world = runs[0].spec.world
    return [replace(one, world=world) for one in others + old], faults + more


def print_judged(held: Held, spec: RunSpec, label: str, out: Path) -> None:
    """Print the numbers of one model."""
    own = RunResult(
        label=label,
        method=spec.method,
        variant=None,
        size=spec.size,
        seed=spec.seed,
        scorecards=held.scorecards(),
        items=held.items(),
        guard=tuple(held.guarded()),
    )
    benchmarks = [load_benchmark(name) for name in held.asked.benchmarks]
    _print_table(compare([own], spec.size, benchmarks), label)
    messages.print(f"{held.folder.path}", markup=False)


def _checks(held: Held) -> dict[str, CrossCheck]:
    """Return what lmms-eval's own tasks said about answers, if they were asked."""
    files = {name: held.answers_name(name) for name in held.asked.benchmarks if name in LMMS_TASKS}
    found = {name: read_crosscheck(held.folder.path, file) for name, file in files.items()}
    return {name: check for name, check in found.items() if check is not None}


def print_ablation(request: Request, rows: Sequence[AblationRow], runs: Sequence[Run]) -> None:
    """Write and print the ablation table: the base model, then the rows in their order.

    Args:
        request: What was asked for.
        rows: The rows of the table.
        runs: The runs of all rows, one after the other.
    """
    changed = changes_of(
        resolve(request.method, request.size, request.variant, request.overrides).spec
    )
    bases = (_base_result(of_base(own[0]), own[0].spec) for own in _by_world(runs).values())
    found = [*bases, *_row_results(request, rows, runs, changed)]
    asked, _ = read_preset(request.method, request.size).variant(request.variant)
    variant = variant_of(asked, changed)
    title = " ".join(part for part in ("Ablation of", request.method, variant) if part)
    parts = ("ablation", request.method, variant, request.size)
    stem = "-".join(part for part in parts if part) + suffix_of(runs)
    benchmarks = [load_benchmark(name) for name in runs[0].spec.evaluation.benchmarks]
    changes = {row.label: _told(row, changed) for row in rows}
    tables = request.out / "tables"
    with _writing(tables, stem):
        write_ablation(found, title, tables / stem, benchmarks, changes)
    _print_table(compare(found, request.size, benchmarks), title)
    # Claims know the rows by what their runs are called elsewhere.
    named = [found[0], *(_result(run, label_of(run.spec)) for run in runs)]
    _print_claims([(request, runs[0])], named)


@contextmanager
def _writing(tables: Path, stem: str) -> Iterator[None]:
    """Say where a table was written; or why it was not, which keeps nobody from reading it."""
    try:
        yield
    except OSError as error:
        messages.print(f"No table is written. {told(error)}", markup=False)
    else:
        messages.print(f"{tables / stem}.md", markup=False)


def _row_results(
    request: Request, rows: Sequence[AblationRow], runs: Sequence[Run], changed: Sequence[str]
) -> Iterator[RunResult]:
    """Yield the runs; in the CSV one that the row changes has the row's label for a variant."""
    rest = iter(runs)
    for place, row in enumerate(rows, start=1):
        for run in islice(rest, len(row.specs)):
            ordinary = run.spec.method != request.method or not row.changes
            variant = run.spec.variant if ordinary else row.label
            result = _result(run, row.label)
            yield replace(result, variant=variant_of(variant, changed), place=place)


def _told(row: AblationRow, changed: Sequence[str]) -> list[str]:
    own = [f"{key}={json.dumps(value.value)}: {value.source}" for key, value in row.changes]
    return [*(own or [f"{row.specs[0].label} as its preset says"]), *changed]


def _base_result(base: Held, spec: RunSpec) -> RunResult:
    cards = base.scorecards()
    facts = provenance(base.folder)
    return RunResult(
        "base",
        "base",
        None,
        spec.size,
        0,
        cards,
        facts,
        items=base.items(),
        world=spec.world,
        guard=tuple(base.guarded()),
    )


def _result(run: Run, label: str) -> RunResult:
    spec, folder, held = run.spec, run.folder, of_run(run)
    return RunResult(
        label,
        spec.method,
        variant_of(spec.variant, changes_of(spec)),
        spec.size,
        spec.seed,
        {} if held is None else held.scorecards(),
        provenance(folder),
        items={} if held is None else held.items(),
        world=spec.world,
        guard=() if held is None else tuple(held.guarded()),
    )
