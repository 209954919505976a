"""Run the tasks of a guard on one checkpoint: python -m harness.evaluation.guard.worker.

Runs in a process of its own, because lmms-eval seeds and patches the process it runs in. Tasks are
run one by one: one that fails takes no other with it.
"""

import argparse
import contextlib
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, SupportsFloat, TypeGuard

from harness.errors import DataError, HarnessError
from harness.evaluation.guard import documents
from harness.evaluation.guard.journal import GuardJournal
from harness.evaluation.guard.records import (
    Ability,
    Guarded,
    journal_path,
    record_path,
    write_record,
)
from harness.evaluation.guard.tasks import GuardTask, guard_tasks
from harness.launchers.lifetime import die_with_parent
from harness.models.sources import model_folder
from harness.settings.spec import EvaluationSpec, ModelSpec, Strict

_BOOTSTRAPS = 1000
"""Draws for the standard errors that lmms-eval bootstraps; most it computes."""


class Request(Strict):
    """What to run, with what, and where the records go."""

    run: Path
    model: str
    revision: str | None
    template: str
    transform: Literal["center_crop", "pad"]
    asked: EvaluationSpec
    names: dict[str, str]
    """Task -> name of its record, without the ending."""
    identities: dict[str, dict[str, Any]]
    """Task -> what decides its numbers."""


def run_tasks(request: Request) -> None:
    """Write a record of every task; one that failed says why, and has no number."""
    from harness.evaluation.generation.adapter import compute_device
    from harness.evaluation.generation.answerer import Llava

    spec = ModelSpec(path=request.model, revision=request.revision, template=request.template)
    llava = Llava(model_folder(spec), request.template, request.transform, compute_device())
    tasks = {task.name: task for task in guard_tasks(request.asked)}
    for name, record in request.names.items():
        journal = journal_path(request.run, record)
        identity = request.identities[name]
        try:
            found = _run(tasks[name], llava, GuardJournal(journal), request.asked)
            metrics, items = _numbers(found, name)
            done = Guarded(name, identity, metrics, items)
        except Exception as error:  # whatever a task's code or the model raises is its reason
            sys.stderr.write(f"{name} failed: {error!r}\n")
            done = Guarded(name, identity, failed=_reason(error))
        write_record(record_path(request.run, record), done)


def _run(
    task: GuardTask, llava: Any, journal: GuardJournal, asked: EvaluationSpec
) -> Mapping[str, Any]:
    """Return what lmms-eval says of a task."""
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    from harness.evaluation.guard.adapter import GuardedModel

    # Some tasks write files into the folder that they are called from.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        model = GuardedModel(llava, journal, Path(scratch), asked.batch_size, asked.max_new_tokens)
        found: Mapping[str, Any] = simple_evaluate(
            model=model,
            tasks=[{"task": task.name, **_data(task, asked, Path(scratch))}],
            task_manager=TaskManager(
                include_path=str(Path(task.file).parent), include_defaults=False
            ),
            bootstrap_iters=_BOOTSTRAPS,
            process_docs_parallel=1,
            # Talks over nothing at all, as there is one process.
            distributed_executor_backend="torchrun",
        )
    return found


def _data(task: GuardTask, asked: EvaluationSpec, scratch: Path) -> dict[str, Any]:
    """Return where a task finds its documents, in the words of its YAML; nothing is fetched."""
    if task.name == documents.TASK:
        file = scratch / "documents.jsonl"
        rows = documents.tiny_documents(Path(asked.data))
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return {"dataset_kwargs": {"data_files": {"test": str(file)}}}
    # A login is for fetching, and every name of a file is told from the YAML's place.
    given = {key: value for key, value in task.dataset_kwargs.items() if key != "token"}
    above = Path(task.file).parent
    for key in ("data_files", "data_dir"):
        if key in given:
            given[key] = _absolute(given[key], above)
    if place := task.place():
        return {"dataset_path": str(place), "dataset_kwargs": given}
    if (above / task.dataset_path).is_dir():
        return {"dataset_path": str(above / task.dataset_path), "dataset_kwargs": given}
    return {"dataset_kwargs": given}


def _absolute(value: Any, above: Path) -> Any:
    if isinstance(value, str):
        return str(above / value)
    if isinstance(value, Mapping):
        return {key: _absolute(one, above) for key, one in value.items()}
    return [_absolute(one, above) for one in value]


def _numbers(found: Mapping[str, Any], name: str) -> tuple[dict[str, Ability], int]:
    """Return the metrics that are numbers, and of how many items they are.

    Raises:
        DataError: Items are missing, or there is no number.
    """
    samples: Sequence[Mapping[str, Any]] = found["samples"][name]
    items = len(samples)
    if items != (whole := int(found["n-samples"][name]["original"])):
        raise DataError(f"{items} of {whole} items were scored")
    higher = found["higher_is_better"].get(name, {})
    metrics = dict(_metrics(found["results"][name], samples, higher))
    if not metrics:
        raise DataError("its metrics gave no number")
    return metrics, items


def _metrics(
    values: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], higher: Mapping[str, bool]
) -> Iterator[tuple[str, Ability]]:
    for key, value in values.items():
        metric, _, chain = key.partition(",")
        if not chain or not _is_number(value) or "_stderr" in metric:
            continue
        if not math.isfinite(value):
            raise DataError(f"{metric} is {value}")
        error = values.get(f"{metric}_stderr,{chain}")
        if not _is_number(error) and _is_mean(metric, float(value), samples):
            error = values.get(f"{metric}_stderr_clt,{chain}")
        named = metric if chain == "none" else f"{metric} ({chain})"
        stated = float(error) if _is_number(error) and math.isfinite(error) else None
        yield named, Ability(float(value), bool(higher.get(metric, True)), stated)


def _is_number(value: Any) -> TypeGuard[SupportsFloat]:
    """Tell numbers, also those of numpy, from what else stands in lmms-eval's results."""
    return isinstance(value, SupportsFloat) and not isinstance(value, bool)


def _is_mean(metric: str, value: float, samples: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a value is the mean of the items' scores.

    lmms-eval gives every metric the standard error of that mean, also a sum or an F1.
    """
    own = [sample[metric] for sample in samples if metric in sample]
    scores = [one.get("score") if isinstance(one, Mapping) else one for one in own]
    numbers = [float(one) for one in scores if _is_number(one)]
    whole = bool(numbers) and len(numbers) == len(own)
    return whole and math.isclose(math.fsum(numbers) / len(numbers), value, abs_tol=1e-9)


def _reason(error: Exception) -> str:
    """Return why a task failed; lmms-eval's retries hide what was raised first."""
    last = getattr(error, "last_attempt", None)
    cause = (last.exception() if last is not None else None) or error
    return str(cause) if isinstance(cause, HarnessError) else f"{type(cause).__name__}: {cause}"


def main() -> int:
    """Run the tasks that the file of the command line asks for; 1 for errors of the user."""
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m harness.evaluation.guard.worker")
    parser.add_argument("--request", type=Request.model_validate_json, required=True)
    try:
        run_tasks(parser.parse_args().request)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
