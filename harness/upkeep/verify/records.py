"""What a run's own records name, and whether it is there and is what they say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.evaluation.generation.journal import journal_paths, responses_path
from harness.evaluation.scorecards import IDENTITY
from harness.files.jsonlines import JsonLines
from harness.identity.record import Record, differences, name_of
from harness.margins.records import read_margins
from harness.models.sources import content_hash
from harness.models.verify import check_model
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir
from harness.upkeep.verify.judgement import Checked

_READ = "*.jsonl"
_CONTENTS = {"preferences": "data", "model": "model", "method": "method"}
"""In a manifest -> the part of an identity that holds the same hash."""


def check_records(run: RunDir) -> Checked:
    """Look at everything in a run but its judgements' numbers."""
    checked = Checked("records")
    for look in (_training, _manifest, _model, _answers, _rows, _margins):
        try:
            checked.findings += look(run)
        except (HarnessError, OSError) as error:
            checked.findings.append(" ".join(str(error).split()))
    if run.spec_file.exists() and not run.model.exists():
        checked.notes.append("there is no trained model in it")
    return checked


def _training(run: RunDir) -> Iterator[str]:
    """Yield what is wrong with the specification and with what decides the training."""
    if not run.spec_file.exists() and not run.identity.exists():
        return  # a model that was not trained here
    spec, record = run.read_spec(), Record.read(run.identity)
    if not run.path.name.endswith(f"-{name_of(record.identity)}"):
        yield f"{run.identity.name} is not of the training that the folder is named by"
    decided = _without_contents(record.identity)
    settings = spec.settings()
    both = _shared(settings, decided)
    for key in differences(both, _shared(decided, settings)):
        yield f"{run.spec_file.name} and {run.identity.name} differ in {key}"


def _manifest(run: RunDir) -> Iterator[str]:
    """Yield where the manifest names other contents than the identity."""
    if not run.manifest.exists():
        if run.responses.exists() or run.metrics.exists():
            yield f"{run.manifest.name} is missing"
        return
    manifest = Manifest.read(run.manifest)
    if not run.identity.exists():
        return
    identity = Record.read(run.identity).identity
    for name, part in _CONTENTS.items():
        decided = _part(identity, part)
        told = manifest.data.get(name)
        if told is not None and told not in (decided.get("content"), decided.get("source")):
            yield f"{run.manifest.name} names another {name} than {run.identity.name}"


def _model(run: RunDir) -> Iterator[str]:
    """Yield what is wrong with the model, and which answers and judgements are not of it."""
    if run.model.exists():
        yield from check_model(run.model)
        checkpoint = content_hash(run.model)
        whose = "the model that is there"
    elif run.spec_file.exists():
        checkpoint = Manifest.read(run.manifest).checkpoint or ""
        whose = f"the model that {run.manifest.name} names"
    else:
        checkpoint, whose = run.path.name.rpartition("-")[2], "the model that names the folder"
    if checkpoint:
        for file in _identities(run):
            identity = Record.read(file).identity
            told = str(_part(identity, "answers").get("checkpoint", identity.get("checkpoint")))
            if not told.startswith(checkpoint):
                yield f"{file.relative_to(run.path)}: the answers are not of {whose}"


def _answers(run: RunDir) -> Iterator[str]:
    """Yield which answers are missing that were begun, or are not what their identity says."""
    for file in sorted(run.responses.glob(f"*.{IDENTITY}")):
        name = file.name.removesuffix(f".{IDENTITY}")
        identity = Record.read(file).identity
        if name != f"{identity.get('benchmark')}-{name_of(identity)}":
            yield f"{file.relative_to(run.path)} is not of the answers that it is named by"
        there = responses_path(run.responses, name).is_file() or journal_paths(run.responses, name)
        if not there:
            yield f"{run.responses.name}/{name}.jsonl is missing"


def _rows(run: RunDir) -> Iterator[str]:
    """Yield the files of rows that are damaged or end in the middle of a row."""
    for file in sorted(run.path.rglob(_READ)):
        if file.parent == run.logs:
            continue
        place = file.relative_to(run.path)
        try:
            rows = JsonLines(file).read()
        except (ValueError, RecursionError):
            yield f"{place}: a line is no JSON object"
            continue
        if (content := file.read_bytes()) and not content.endswith(b"\n"):
            yield f"{place}: the last line is cut off"
        if file == run.metrics and [row.get("step") for row in rows] != _counted(len(rows)):
            yield f"{place}: the steps are not 1, 2, 3 and so on"


def _identities(run: RunDir) -> Iterator[Path]:
    yield from sorted(run.responses.glob(f"*.{IDENTITY}"))
    yield from sorted(run.judgements.glob(f"*/{IDENTITY}"))


def _counted(steps: int) -> list[int]:
    return list(range(1, steps + 1))


def _without_contents(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity without the hashes that take the place of words."""
    kept = {
        key: {name: one for name, one in value.items() if name not in ("content", "source")}
        if isinstance(value, Mapping)
        else value
        for key, value in identity.items()
    }
    if isinstance(hardness := _part(kept, "data").get("hardness"), Mapping):
        kept["data"]["hardness"] = {k: v for k, v in hardness.items() if k != "clip"}
    return kept


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a mapping what the other has a value for as well."""
    return {
        key: _shared(value, other[key])
        if isinstance(value, Mapping) and isinstance(other[key], Mapping)
        else value
        for key, value in one.items()
        if key in other
    }


def _part(identity: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = identity.get(key)
    return found if isinstance(found, Mapping) else {}


def _margins(run: RunDir) -> tuple[str, ...]:
    """Read the margins of the run's pairs, which fails where they are not of what is there."""
    if run.margins.exists():
        read_margins(run, Record.read(run.identity))
    return ()
