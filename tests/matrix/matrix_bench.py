"""A matrix whose cells are small real processes."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.evaluation.held import Held
from harness.matrix.cells import MatrixRequest, resolved
from harness.matrix.work import Work
from harness.models.sources import content_hash
from harness.settings.request import Request

PROGRAM = Path(__file__).with_name("cell_program.py")
ROOT = Path(__file__).parents[2]


@dataclass
class Bench:
    """Makes cells, and the commands that run them."""

    folder: Path
    behaviours: dict[int, str] = field(default_factory=dict)
    """What the process of a seed does; the others finish at once."""

    overrides: tuple[str, ...] = ()
    """Name a small model, pairs and one benchmark."""

    @property
    def out(self):
        return self.folder / "out"

    @property
    def go(self):
        return self.folder / "go"

    def cells(self, seeds=(0,), methods=("dpo",)):
        shared = Request(method="", seeds=seeds, out=self.out, overrides=self.overrides)
        return resolved(MatrixRequest(methods=methods, sizes=("tiny",), shared=shared))

    def held(self, cell):
        """What the model that `cell_program` makes will have."""
        model = self.folder / "trained"
        model.mkdir(exist_ok=True)
        (model / "config.json").write_text("{}")
        spec = cell.spec
        return Held(cell.run.folder, content_hash(model), spec.model, spec.evaluation)

    def command(self, cell):
        spec = self.folder / f"{cell.run.folder.path.name}.yaml"
        spec.write_text(yaml.safe_dump(cell.spec.model_dump(mode="json")))
        held = self.held(cell)
        judged = ",".join(str(held.judged(name)) for name in held.asked.benchmarks)
        behaviour = self.behaviours.get(cell.spec.seed, "finish")
        words = (PROGRAM, cell.run.folder.path, spec, self.folder / "calls", self.go, judged)
        return [sys.executable, *map(str, words), behaviour]

    def work(self, seeds=(0,), **options):
        return Work(self.cells(seeds), self.command, **options)

    def calls(self):
        """The seeds whose processes were started, in this order."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [int(line.split("seed")[1].split("-")[0]) for line in lines]


def run_together(*works, until=lambda: False, seconds=30):
    """Step all works in turn until none has anything left, or something holds."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, [standing for work in works for standing in work.standings]
        if not any([work.step() for work in works]):
            return
        time.sleep(0.02)
