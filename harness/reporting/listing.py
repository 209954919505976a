"""The runs of an output folder: what each is, how far it is, and its headline numbers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, HarnessError
from harness.evaluation.scorecards import SCORECARD, read_scorecard
from harness.files.faults import require_folder
from harness.files.jsonlines import JsonLines
from harness.files.locks import in_use
from harness.registry import hint, load_benchmark
from harness.reporting.neighbours import Neighbour, neighbours, read
from harness.reporting.words import header, number
from harness.runs.rundir import RUNS, RunDir, size_of
from harness.training.process import ERROR_FILE

Row = dict[str, Any]
"""What a run is, in words, and under `numbers` its headline numbers by judge and metric."""
_JOURNAL = ".journal"
"""In the name of a file of answers that are not all there yet."""
_THOUSAND = 1000.0


def run_rows(out: Path) -> tuple[list[Row], list[str]]:
    """Return a row for every run and every model that was evaluated, and what cannot be read."""
    require_folder(out, "--out")
    found, faults = neighbours(out)
    rows = [_row(one) for one in found]
    known = {one.folder.path for one in found}
    for folder in sorted((out / RUNS).glob("*/judgements")):
        run = RunDir(folder.parent)
        if run.path not in known and not run.spec_file.exists():
            rows.append(_of_model(run))
    return rows, faults


def state_of(run: RunDir, asked: Sequence[str] = ()) -> str:
    """Return how far a run is, by its files alone.

    Args:
        run: Its folder.
        asked: The benchmarks that it is to be evaluated on; none for a model that was not trained
            here, of which nobody says so.

    Returns:
        `not begun`, `starting`, `training at step 7`, `stopped at step 7`, `failed at step 7`,
        `trained`, `answers 2 of 5`, `judging`, `waiting for judge` or `finished`.
    """
    works = in_use(run.lock)
    if run.model.exists() or not run.spec_file.exists():
        return _state_of_answers(run, asked, works)
    failed = (run.logs / ERROR_FILE).exists()
    if not run.metrics.exists():
        return "starting" if works else "failed" if failed else "not begun"
    try:
        last = JsonLines(run.metrics).last()
        step = 0 if last is None else int(last["step"])
    except (ValueError, OverflowError, RecursionError, LookupError, TypeError):
        return f"{'training' if works else 'stopped'}; {run.metrics.name} is damaged"
    return f"{'training' if works else 'failed' if failed else 'stopped'} at step {step}"


def _state_of_answers(run: RunDir, asked: Sequence[str], works: bool) -> str:
    judged = {_benchmark(file.parent.name) for file in run.judgements.glob(f"*/{SCORECARD}")}
    files = (file.stem for file in run.responses.glob("*.jsonl") if _JOURNAL not in file.name)
    answered = judged | set(map(_benchmark, files))
    names = set(asked) or answered
    if names <= judged and judged:
        return "finished"
    if names <= answered and answered:
        return "judging" if works else "waiting for judge"
    if works or answered & names:
        return f"answers {len(answered & names)} of {len(names)}"
    return "trained"


def _benchmark(name: str) -> str:
    """Return the benchmark of `<benchmark>-<digest>`."""
    return name.rpartition("-")[0]


def size_text(folder: Path) -> str:
    """Return how much a folder takes on the disk."""
    size = float(size_of(folder))
    for unit in ("B", "kB", "MB"):
        if size < _THOUSAND:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _THOUSAND
    return f"{size:.1f} GB"


def numbers_of(run: RunDir) -> Iterator[tuple[str, str, str]]:
    """Yield metric, number and judge of every headline number of a run.

    Raises:
        HarnessError: A scorecard is damaged, or of a benchmark that is not installed.
    """
    files = [
        *sorted(run.judgements.glob(f"*/{SCORECARD}")),
        *sorted((run.path / "scorecards").glob("*.json")),
    ]
    for file in files:
        card = read_scorecard(file)
        for metric in load_benchmark(card.benchmark).metrics:
            if metric.headline and metric.name in card.official:
                value = number(card.official[metric.name], metric.unit)
                yield header(card.benchmark, metric), value, f"{card.judge}, {card.protocol}"


def details_of(name: str, out: Path) -> dict[str, Any]:
    """Return what a run is, by its name or folder.

    Raises:
        ConfigError: There is no such run.
        DataError: It is damaged.
    """
    require_folder(out, "--out")
    for path in (out / RUNS / name, Path(name)):
        if (path / "run.yaml").is_file():
            return _details(read(RunDir(path.resolve())))
    names = [path.parent.name for path in sorted((out / RUNS).glob("*/run.yaml"))]
    raise ConfigError(f"Unknown run {name!r} in {out / RUNS}. {hint(name, names)}")


def _details(run: Neighbour) -> dict[str, Any]:
    """Return what a run is: its state, what decides it, and its numbers."""
    facts: dict[str, Any] = {
        "run": run.folder.path.name,
        "what": run.label,
        "size": run.spec.size,
        "world": run.spec.world,
        "seed": run.spec.seed,
        "state": state_of(run.folder, run.spec.evaluation.benchmarks),
        "on disk": size_text(run.folder.path),
        "folder": str(run.folder.path),
    }
    if run.record is not None:
        facts["begun"] = run.record.since
        facts["decided by"] = run.record.identity
    facts["numbers"] = [
        {"metric": metric, "value": value, "judged by": judge}
        for metric, value, judge in numbers_of(run.folder)
    ]
    return facts


def _row(run: Neighbour) -> Row:
    return {
        "run": run.folder.path.name,
        "what": f"{run.label}, {run.spec.drawn}",
        "state": state_of(run.folder, run.spec.evaluation.benchmarks),
        "on disk": size_text(run.folder.path),
        "begun": run.record.since if run.record else _changed(run.folder),
        "base": _base(run),
        "numbers": _headline(run.folder),
    }


def _base(run: Neighbour) -> str:
    try:
        return (run.model_content or "not recorded")[:12]
    except HarnessError as error:
        return f"not readable: {error}"


def _of_model(run: RunDir) -> Row:
    name, _, content = run.path.name.rpartition("-")
    return {
        "run": run.path.name,
        "what": f"{name}, as it is",
        "state": state_of(run),
        "on disk": size_text(run.path),
        "begun": _changed(run),
        "base": content,
        "numbers": _headline(run),
    }


def _headline(run: RunDir) -> dict[str, dict[str, str]]:
    """Return the first number of every benchmark, by judge and metric."""
    found: dict[str, dict[str, str]] = {}
    seen: set[tuple[str, str]] = set()
    try:
        for name, value, judged in numbers_of(run):
            key = (name.split()[0], judged)
            if key not in seen:
                seen.add(key)
                who = judged.partition(";")[0].partition(",")[0]
                # Under another protocol, or told to think longer, it is named in full.
                who = judged if name in found.get(who, {}) else who
                found.setdefault(who, {})[name] = value
    except HarnessError as error:
        return {"not readable": {str(error): ""}}
    return found


def _changed(run: RunDir) -> str:
    made = datetime.fromtimestamp(run.path.stat().st_mtime, UTC).astimezone()
    return f"{made:%Y-%m-%d %H:%M}"
