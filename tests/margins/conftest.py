"""A base model, runs whose model is another one, and pairs that say how hard they are."""

import json
import shutil

import pytest
import world_fixture
from changed_model import change
from run_fixtures import PAIRS, base, cache, cache_folder, make_run

from harness.identity.record import Record
from harness.identity.training import training_identity

__all__ = ["base", "cache", "cache_folder", "make_run"]
KINDS = ("obvious", "plain", "subtle")


def told(place):
    return {"hardness": KINDS[place % 3], "mislabelled": "no" if place else "yes"}


@pytest.fixture(scope="session")
def parquet(tmp_path_factory):
    rows = [
        {**row, "clip_gap": place - 3.0, "origin_split": json.dumps(told(place))}
        for place, row in enumerate(world_fixture.rows(PAIRS))
    ]
    folder = tmp_path_factory.mktemp("hard_world")
    return world_fixture.write_rows(folder / "train-0.parquet", rows)


@pytest.fixture
def trained(make_run, tmp_path):
    """Return a function that opens a run with a model, as if it had been trained."""

    def open_run(method="dpo", **words):
        run, spec = make_run(method, out=tmp_path / "out" / "runs", **words)
        Record.now(training_identity(spec), method).write(run.identity)
        shutil.copytree(spec.model.path, run.model)
        change(run.model)
        return run

    return open_run
