"""One run of a call: what was asked for, what decides it, and where it lies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.console import messages
from harness.errors import DataError, HarnessError
from harness.identity.labels import label_of
from harness.identity.record import Record, differences, name_of
from harness.identity.training import inputs_are_here, pinned, training_identity
from harness.models.sources import content_hash, located_model
from harness.runs.rundir import RUNS, RunDir, run_name
from harness.settings.mixing import places_of
from harness.settings.spec import RunSpec
from harness.world.places import locate_spec


@dataclass(frozen=True)
class Run:
    """One run of a call. Its folder is named by what decides the training."""

    spec: RunSpec
    """As it was asked for: parts of the tiny world by their names."""
    located: RunSpec
    """The same with every place located, and names on the hub with their commits."""
    out: Path
    """Holds runs/ and tables/."""

    @classmethod
    def of(cls, spec: RunSpec, out: Path) -> "Run":
        """Locate a specification; parts of the tiny world that are missing are built."""
        return cls(spec, pinned(locate_spec(spec)), out)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What decides the training.

        Raises:
            HarnessError: Model, pairs or method are not there, or damaged.
        """
        return training_identity(self.located)

    @property
    def is_known(self) -> bool:
        """Whether all that decides it is here; what is wrong with it, a check tells."""
        if "identity" in vars(self):
            return True
        try:
            return inputs_are_here(self.located) and bool(self.identity)
        except HarnessError:
            return False

    @property
    def folder(self) -> RunDir:
        """The run's folder, whether it is there or not.

        While it is not known what decides the run, a place where there is nothing.
        """
        runs = (self.out / RUNS).resolve()
        if not self.is_known:
            return RunDir(runs / run_name(self.spec))
        digest = name_of(self.identity)
        # The same training may have been asked for in other words.
        there = sorted(runs.glob(f"*-{digest}"))
        return RunDir(there[0] if there else runs / run_name(self.spec, digest))

    @cached_property
    def base_content(self) -> str:
        """Hash of the model that training starts from, as it answers."""
        return content_hash(located_model(self.located.model).folder)

    @property
    def base(self) -> RunDir:
        """The folder of the untrained model's evaluation, which many runs share."""
        name = f"base-{self.spec.size}-{self.base_content[:12]}"
        return RunDir((self.out / RUNS / name).resolve())

    def begin(self) -> RunDir:
        """Make the folder, and say so where something changed since a run in the same words."""
        folder, record = self.folder, Record.now(self.identity, label_of(self.spec))
        if not folder.identity.exists():
            for told in self._changes(record):
                messages.print(told, markup=False)
            folder.path.mkdir(parents=True, exist_ok=True)
            record.write(folder.identity)
        elif name_of(Record.read(folder.identity).identity) != name_of(self.identity):
            raise DataError(
                f"{folder.identity} is not of the training that the folder is named by. Move the "
                "folder away to start this run anew."
            )
        folder.open(self.located)
        return folder

    def _changes(self, record: Record) -> Iterator[str]:
        """Yield how an earlier run of the same words differs in what the words stood for."""
        for file in sorted((self.out / RUNS).glob("*/identity.json")):
            try:
                before, spec = Record.read(file), RunDir(file.parent).read_spec()
            except DataError:
                continue  # the comparison names it
            ours = self.located
            if spec.settings() == ours.settings() and _words(spec) == _words(ours):
                keys = differences(before.identity, record.identity)
                changed = ", ".join(_SAID.get(key, key) for key in keys)
                yield (
                    f"{changed} changed since {before.since}: this is another training than "
                    f"{file.parent.name}, which stays as it is."
                )


def _words(spec: RunSpec) -> tuple[str, ...]:
    data = spec.data
    preferences = " ".join(place.partition("@")[0] for place in places_of(data.preferences))
    return spec.model.path, preferences, data.hardness.clip, str(data.where)


_SAID = {
    "data.content": "data.preferences",
    "model.content": "model.path",
    "method.source": "the method's code",
}
"""Key of an identity -> what it is called by those who set it."""
