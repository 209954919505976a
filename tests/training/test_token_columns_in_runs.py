"""A package's method that weighs tokens: killed and resumed, on two devices, in passes, by LoRA."""

import sys

import pytest
import world_fixture
from processes import losses, numbers, workers

from harness.training import launch

pytestmark = pytest.mark.processes

PAIRS, STEPS = 12, 6
SOURCE = '''
"""DPO on tokens, each as often as its severity and one says."""

from methods.logps import equal_shares
from methods.types import LossOutput, Method, MethodConfig, NoState


def margin(response):
    weights = (1 + response.columns["severity"]) * response.mask
    return (weights * (response.policy - response.reference)).sum(-1)


def loss(batch, config, state, context):
    losses = -(margin(batch.chosen) - margin(batch.rejected)).sigmoid().log()
    told = {
        "marked": batch.rejected.columns["severity"].sum(-1),
        "unmarked": batch.chosen.columns["severity"].abs().sum(-1),
        "stray": (batch.rejected.columns["severity"] * ~batch.rejected.mask).abs().sum(-1),
    }
    return LossOutput(losses, equal_shares(losses, context), state, told)


METHOD = Method(
    "weighed", MethodConfig, loss, lambda config: NoState(), "", token_columns={"severity"}
)
'''


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    """Write the package, and the metadata that an installer leaves behind."""
    site = tmp_path_factory.mktemp("site")
    info = site / "weighed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.methods]\nweighed = made_weighed:METHOD\n")
    (site / "made_weighed.py").write_text(
        SOURCE.replace('token_columns={"severity"}', 'token_columns=frozenset({"severity"})')
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield "weighed"
    sys.modules.pop("made_weighed", None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The rejected response is the chosen one and a sentence more, which is marked with 2."""
    rows = world_fixture.rows(PAIRS)
    for row in rows:
        span = [len(row["chosen"]) + 1, len(row["rejected"]), 2]
        row |= {"chosen_severity": [], "rejected_severity": [span]}
    return world_fixture.write_rows(tmp_path_factory.mktemp("spans") / "train-0.parquet", rows)


@pytest.fixture(scope="module")
def runs(make_run, data, method):
    """Runs by way; those of one number of processes share them."""
    plans, made = {1: [], 2: []}, {}

    def add(way, ranks=1, stop=None, model=None, **training):
        if way not in made:
            words = {"epochs": 2, "save_every": 2, "devices": ranks, **training}
            own = {"preferences": str(data)}
            run, spec = make_run(method, data=own, model=model, training=words)
            launch.prepare(run, spec)
            run.logs.mkdir(exist_ok=True)
            made[way] = run
        plans[ranks].append((made[way], stop))

    add("whole")
    add("stopped", stop=3)
    add("stopped")
    add("passes", pairs_per_pass=1)
    add("lora", model={"lora_rank": 4})
    add("two", ranks=2)
    for ranks, plan in plans.items():
        workers(plan, ranks)
    return made


def test_a_resumed_run_has_identical_numbers(runs):
    assert numbers(runs["stopped"]) == numbers(runs["whole"])


@pytest.mark.parametrize("way", ["passes", "two"])
def test_passes_and_devices_change_nothing(runs, way):
    whole = losses(runs["whole"], STEPS)
    assert losses(runs[way], STEPS) == pytest.approx(whole, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("way", ["whole", "stopped", "passes", "two", "lora"])
def test_every_step_sees_the_marked_sentence_and_nothing_else(runs, way):
    """Twice as many as the tokens of a sentence of nine words, of which each has one at least."""
    for row in numbers(runs[way]):
        assert row["marked"] >= 2 * 9
        assert row["unmarked"] == row["stray"] == 0


def test_it_learns(runs):
    found = losses(runs["whole"], STEPS)
    assert sum(found[-3:]) < sum(found[:3])
