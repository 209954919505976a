"""The runs of an output folder, also of other versions; what cannot be read is named."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.types import Scorecard
from harness.console import messages
from harness.errors import ConfigError, DataError, HarnessError
from harness.evaluation.scorecards import (
    IDENTITY,
    ITEMS,
    SCORECARD,
    current_scorecard,
    read_scorecard,
)
from harness.identity.record import Record
from harness.models.sources import content_hash
from harness.runs.manifest import Manifest
from harness.runs.rundir import RUNS, RunDir
from harness.settings.spec import RunSpec

_CARDS_0_1 = "scorecards"
"""Where version 0.1 kept `<benchmark>.json`, one of each."""


@dataclass(frozen=True)
class Judgement:
    """A scorecard and what decided it."""

    identity: Mapping[str, Any]
    scorecard: Scorecard
    items: Path
    """The file of its items."""


@dataclass(frozen=True)
class Neighbour:
    """A run that is there already, whatever made it."""

    folder: RunDir
    spec: RunSpec
    record: Record | None
    """What decided the training; None for a run of version 0.1, which did not write it down."""

    @property
    def label(self) -> str:
        """What it was called when it was begun."""
        return self.record.label if self.record and self.record.label else self.spec.label

    @property
    def is_trained(self) -> bool:
        """Whether it has its model."""
        return self.folder.model.exists()

    @property
    def model_content(self) -> str | None:
        """Hash of the base model's files; of a run of version 0.1 as its manifest has it."""
        if self.record is not None:
            content: str = self.record.identity["model"]["content"]
            return content
        if not self.folder.manifest.exists():
            return None
        return Manifest.read(self.folder.manifest).data.get("model")

    @cached_property
    def judgements(self) -> list[Judgement]:
        """What was judged of the answers of the model that is there now.

        Raises:
            HarnessError: A file is damaged.
        """
        now = self._checkpoint() if self.is_trained else None
        return [
            one
            for one in judgements_of(self.folder)
            if now in (None, one.identity["answers"]["checkpoint"])
        ]

    def _checkpoint(self) -> str:
        """Hash the files of the model."""
        try:
            return content_hash(self.folder.model)
        except OSError as error:
            raise DataError(
                f"{self.folder.model} cannot be read as a model ({error.strerror})."
            ) from error

    def cards_0_1(self) -> dict[str, Scorecard]:
        """Return the scorecards of version 0.1, by benchmark."""
        files = sorted((self.folder.path / _CARDS_0_1).glob("*.json"))
        return {file.stem: read_scorecard(file) for file in files}


def judgements_of(folder: RunDir) -> Iterator[Judgement]:
    """Yield the finished judgements of a folder that are of the answers and items beside them.

    Raises:
        HarnessError: One is damaged.
    """
    for file in sorted(folder.judgements.glob(f"*/{SCORECARD}")):
        identity = Record.read(file.with_name(IDENTITY)).identity
        if not _names_checkpoint(identity):
            raise ConfigError(f"{file.with_name(IDENTITY)} lacks what this version reads.")
        try:
            card = current_scorecard(file)
        except DataError as error:  # the others of this folder may be of what is there
            messages.print(f"{folder.path.name}: left out: {error}", markup=False)
            continue
        yield Judgement(identity, card, file.with_name(ITEMS))


def _names_checkpoint(identity: Mapping[str, Any]) -> bool:
    answers = identity.get("answers")
    return isinstance(answers, dict) and isinstance(answers.get("checkpoint"), str)


def neighbours(out: Path) -> tuple[list[Neighbour], list[str]]:
    """Return the runs of an output folder, and what is wrong with those that cannot be read."""
    found: list[Neighbour] = []
    faults: list[str] = []
    for file in sorted((out / RUNS).glob("*/run.yaml")):
        folder = RunDir(file.parent)
        try:
            found.append(read(folder))
        except HarnessError as error:
            faults.append(left_out(folder, error))
    return found, faults


def readable(
    runs: Sequence[Neighbour], faults: list[str]
) -> Iterator[tuple[Neighbour, list[Judgement]]]:
    """Yield the runs with what was judged; the faults get a line for each that is damaged."""
    for run in runs:
        try:
            yield run, run.judgements
        except HarnessError as error:
            faults.append(left_out(run.folder, error))


def left_out(folder: RunDir, error: HarnessError) -> str:
    """Say in one line which run is left out, and why."""
    return f"{folder.path.name} is left out: {' '.join(str(error).split())}"


def read(folder: RunDir) -> Neighbour:
    """Read one run.

    Raises:
        HarnessError: It is damaged, or of a version that wrote other things down.
    """
    record = Record.read(folder.identity) if folder.identity.exists() else None
    if record is not None and not _has_content(record.identity):
        raise ConfigError(f"{folder.identity} lacks what this version reads.")
    return Neighbour(folder, folder.read_spec(), record)


def _has_content(identity: Mapping[str, Any]) -> bool:
    try:
        parts = (identity["method"]["source"], identity["model"]["content"])
        return all(isinstance(one, str) for one in (*parts, identity["data"]["content"]))
    except (LookupError, TypeError):
        return False


def text_of(identity: Mapping[str, Any]) -> str:
    """Return an identity as a text that equal ones share."""
    return json.dumps(identity, sort_keys=True)
