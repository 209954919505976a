"""The rows of tests/training's fixture, for tests that need no model."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "training"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """What an earlier run of these tests found must not answer for this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def rows():
    import world_fixture

    return world_fixture.rows(6)


@pytest.fixture
def write(tmp_path):
    import world_fixture

    return lambda values: world_fixture.write_rows(tmp_path / "pairs" / "train-0.parquet", values)
