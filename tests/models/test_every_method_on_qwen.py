"""Every built-in method trains adapters of Qwen2.5-VL; methods with views also cut up by ZeRO-3."""

import math

import pytest
import tiny_qwen
import world_fixture
from processes import workers
from test_family_runs import LORA, losses, spec_of

from harness.registry import load_method
from harness.runs.rundir import RunDir
from methods.catalog import BUILTIN, VIEWED

pytestmark = pytest.mark.processes

# All pairs are drawn: which of equal gaps are is rounding.
CONFIG = {"beta_dpo": {"keep": 1.0}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three steps of each method in passes of one pair; of those with views also on two devices."""
    root = tmp_path_factory.mktemp("methods")
    qwen = tiny_qwen.write_qwen(root / "qwen", tied=True)
    rows = world_fixture.rows(12)
    columns = frozenset().union(*(load_method(name).columns for name in BUILTIN))
    for i, row in enumerate(rows):
        row |= {name: row["clip_gap"] + 0.01 * i for name in columns - {"clip_gap"}}
    parquet = world_fixture.write_rows(root / "train-0.parquet", rows)

    def opened(method, way, **training):
        spec = spec_of(qwen, parquet, {"template": "qwen2_5_vl"} | LORA, training)
        run = RunDir(root / f"{method} {way}")
        run.open(spec.model_copy(update={"method": method, "config": CONFIG.get(method, {})}))
        run.logs.mkdir()
        return run

    made = {
        (method, "passes"): opened(method, "passes", pairs_per_pass=1, learning_rate=1e-2)
        for method in BUILTIN
    }
    whole = {
        (method, "sharded"): opened(method, "sharded", zero_stage=3, learning_rate=1e-2)
        for method in VIEWED
    }
    workers([(run, None) for run in made.values()], 1)
    workers([(run, None) for run in whole.values()], 2)
    return made | whole


@pytest.mark.parametrize("method", BUILTIN)
def test_it_trains_in_passes(runs, method):
    found = losses(runs[method, "passes"])
    assert len(found) == 3
    assert all(map(math.isfinite, found))
    assert runs[method, "passes"].model.is_dir()


@pytest.mark.parametrize("method", sorted(VIEWED))
def test_views_are_the_same_where_the_weights_are_cut_up(runs, method):
    whole = losses(runs[method, "passes"])
    assert losses(runs[method, "sharded"]) == pytest.approx(whole, rel=1e-3, abs=1e-3)
