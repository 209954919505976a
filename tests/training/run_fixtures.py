"""Fixtures of whole training runs, for the conftest of every folder that trains."""

import copy
from pathlib import Path

import pytest
import world_fixture

from harness.runs.rundir import RunDir, run_name
from harness.settings.spec import RunSpec

PAIRS = 20


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    return world_fixture.write_base(tmp_path_factory.mktemp("world") / "base")


@pytest.fixture(scope="session")
def parquet(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    return world_fixture.write_rows(folder / "train-0.parquet", world_fixture.rows(PAIRS))


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def cache(cache_folder):
    """Name it for one file at a time: files of other folders run in between, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(cache_folder))
        yield cache_folder


@pytest.fixture(scope="session")
def make_run(base, parquet, tmp_path_factory):
    """Return a function that opens a run: `make_run("dpo", training={"devices": 2})`."""

    def make(method="dpo", *, config=None, training=None, data=None, model=None, seed=0, out=None):
        spec = RunSpec.model_validate(
            {
                "method": method,
                "size": "tiny",
                "seed": seed,
                "config": config or {},
                "model": {"path": str(base), **(model or {})},
                "data": {
                    "preferences": str(parquet),
                    "max_length": 200,
                    "hardness": {"clip": "local-dir:none"},
                    **(data or {}),
                },
                "training": {
                    "learning_rate": 1e-3,
                    "warmup_ratio": 0.1,
                    "epochs": 4,
                    "batch_pairs": 4,
                    "precision": "float32",
                    "zero_stage": 2,
                    "save_every": 100,
                    "devices": 1,
                    **(training or {}),
                },
                "evaluation": {"benchmarks": [], "data": "none", "judge": "oracle"},
            }
        )
        folder = out or tmp_path_factory.mktemp("runs")
        run = RunDir(folder / run_name(spec))
        run.open(spec)
        run.adopt(spec)
        return run, copy.deepcopy(spec)

    return make
