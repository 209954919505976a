"""Every built-in method in whole runs: killed and resumed, on two devices, in passes."""

import math

import pytest
import world_fixture
from processes import losses, numbers, workers

from harness.registry import load_method
from methods.catalog import BUILTIN

pytestmark = pytest.mark.processes

PAIRS, STEPS = 12, 6
# All pairs are drawn: the gaps of a first step are rounding, and so is which of them are.
CONFIG = {"beta_dpo": {"keep": 1.0}}
# The reference on pictures that are drawn anew, with the policy's and with others.
DRAWN = {f"mdpo {draw}": {"draw": draw} for draw in ("epoch", "forward")}
CONFIG |= DRAWN


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs that have every column any method reads."""
    rows = world_fixture.rows(PAIRS)
    columns = frozenset().union(*(load_method(name).columns for name in BUILTIN))
    for i, row in enumerate(rows):
        row |= {name: row["clip_gap"] + 0.01 * i for name in columns - {"clip_gap"}}
    return world_fixture.write_rows(tmp_path_factory.mktemp("columns") / "train-0.parquet", rows)


@pytest.fixture(scope="module")
def runs(make_run, data):
    """Runs by method and way; those of one number of processes share them."""
    made = {}
    plans = {1: [], 2: []}

    def add(method, way, ranks=1, stop=None, **training):
        if (method, way) not in made:
            made[method, way] = make_run(
                method.partition(" ")[0],
                config=CONFIG.get(method),
                data={"preferences": str(data)},
                training={"epochs": 2, "save_every": 2, **training},
            )[0]
            made[method, way].logs.mkdir()
        plans[ranks].append((made[method, way], stop))

    for method in (*BUILTIN, *DRAWN):
        add(method, "whole")
        add(method, "stopped", stop=3)
        add(method, "stopped")
        add(method, "passes", pairs_per_pass=1)
        add(method, "two", ranks=2)
    for ranks, plan in plans.items():
        workers(plan, ranks)
    return made


@pytest.mark.parametrize("method", [*BUILTIN, *DRAWN])
def test_a_resumed_run_has_identical_numbers(runs, method):
    """Stopped after three steps with a checkpoint at two."""
    assert numbers(runs[method, "stopped"]) == numbers(runs[method, "whole"])


@pytest.mark.parametrize("method", [*BUILTIN, *DRAWN])
@pytest.mark.parametrize("way", ["passes", "two"])
def test_passes_and_devices_change_nothing(runs, method, way):
    whole = losses(runs[method, "whole"], STEPS)
    assert losses(runs[method, way], STEPS) == pytest.approx(whole, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("method", [*BUILTIN, *DRAWN])
def test_it_learns(runs, method):
    """From the first step to the last, on the pairs that it sees again."""
    found = losses(runs[method, "whole"], STEPS)
    assert sum(found[-3:]) < sum(found[:3])


@pytest.mark.parametrize("method", ["mdpo", *DRAWN])
def test_policy_and_reference_differ_at_first_only_on_pictures_of_their_own(runs, method):
    """The image loss of equal models is log 2; two crops of a picture tell them apart."""
    first = numbers(runs[method, "whole"])[0]
    assert first["losses/response"] == pytest.approx(math.log(2), abs=1e-5)
    apart = abs(first["losses/image"] - math.log(2)) > 1e-4
    assert apart == (method == "mdpo forward")
