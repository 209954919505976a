"""What tasks of the guard found of the models of a page, as far as it belongs side by side."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.evaluation.guard.records import Guarded, records_in
from harness.models.sources import content_hash
from harness.reporting.compare import RunResult
from harness.runs.rundir import RunDir

_SHOWN = 6
"""Digits of a hash."""


def guarded(models: Sequence[tuple[RunResult, RunDir]], faults: list[str]) -> list[RunResult]:
    """Return the results with what was found: of several settings of a task that of most models.

    Args:
        models: Results and their folders.
        faults: Get a line for every record that is left out.
    """
    records = [list(_current(folder, faults)) for _, folder in models]
    counts: dict[tuple[int, str], Counter[str]] = {}
    for (result, _), found in zip(models, records, strict=True):
        for one in found:
            counts.setdefault((result.world, one.task), Counter())[one.setting] += 1
    most = {key: counter.most_common(1)[0][0] for key, counter in counts.items()}
    results = []
    for (result, folder), found in zip(models, records, strict=True):
        kept = [one for one in found if most[result.world, one.task] == one.setting]
        faults += (
            f"{folder.path.name}: general ability by {one.task} is left out: asked otherwise than "
            f"most (setting {one.setting[:_SHOWN]})."
            for one in found
            if one not in kept
        )
        results.append(replace(result, guard=tuple(kept)))
    return results


def _current(folder: RunDir, faults: list[str]) -> Iterator[Guarded]:
    """Yield the records of the model that is there now; one without a model is believed."""
    found = records_in(folder.path, faults)
    if not found or not folder.model.is_dir():
        yield from found
        return
    now = content_hash(folder.model)
    for one in found:
        if one.identity.get("checkpoint") == now:
            yield one
        else:
            faults.append(
                f"{folder.path.name}: general ability by {one.task} is left out: it is of another "
                "model than the one that is there now."
            )
