"""The same run on other machines: in passes, offloaded, continued by other ranks and stages."""

import json

import pytest
from processes import losses, numbers, workers

from harness.training.checkpoints.checkpoint import latest_checkpoint

pytestmark = pytest.mark.processes

PLAIN = {"zero_stage": 2, "save_every": 5}
PASSES = {
    "pairs": {"pairs_per_pass": 1},
    "tokens": {"tokens_per_pass": 200},
    "pairs, stage 3": {"pairs_per_pass": 1, "zero_stage": 3, "gradient_checkpointing": True},
    "pairs, stage 1": {"pairs_per_pass": 1, "zero_stage": 1},
    "offloaded": {"offload": "optimizer"},
    "offloaded, stage 3": {"offload": "optimizer_and_weights", "zero_stage": 3},
}
"""A pair takes about 190 positions, a device of two has two pairs in a step."""

MOVES = {
    "two to one": (2, {"zero_stage": 2}, 1, {"zero_stage": 2}),
    "one to two": (1, {"zero_stage": 1}, 2, {"zero_stage": 2}),
    "stage 3 to 1": (2, {"zero_stage": 3}, 2, {"zero_stage": 1}),
    "stage 2 to 3": (2, {"zero_stage": 2}, 1, {"zero_stage": 3}),
    "stage 3 to none": (2, {"zero_stage": 3}, 1, {"zero_stage": 0}),
    "stage 3, two to one": (2, {"zero_stage": 3}, 1, {"zero_stage": 3}),
}


@pytest.fixture(scope="module")
def runs(make_run, tmp_path_factory):
    """One run of 20 steps on every machine, by name."""
    made = {"plain": make_run("dama", training=PLAIN)[0]}
    plans = {("first", 1): [], ("first", 2): [(made["plain"], None)]}
    plans |= {("then", 1): [], ("then", 2): []}
    for name, settings in PASSES.items():
        made[name] = make_run("dama", training={**PLAIN, **settings})[0]
        plans["first", 2].append((made[name], None))
    for name, (before, first, _, _) in MOVES.items():
        out = tmp_path_factory.mktemp("moved")
        made[name] = make_run("dama", training={**PLAIN, **first}, out=out)[0]
        plans["first", before].append((made[name], 8))
    for run in made.values():
        run.logs.mkdir()
    for ranks in (1, 2):
        workers(plans["first", ranks], ranks)
    for name, (_, _, after, then) in MOVES.items():
        assert latest_checkpoint(made[name].checkpoints).name == "step-00000005"
        again, _ = make_run("dama", training={**PLAIN, **then}, out=made[name].path.parent)
        assert again.path == made[name].path
        plans["then", after].append((made[name], None))
    for ranks in (1, 2):
        workers(plans["then", ranks], ranks)
    return made


@pytest.mark.parametrize("name", PASSES)
def test_passes_and_offloading_change_no_loss(runs, name):
    """DAMA's beta reads every pair of the batch, so a pass alone could not know it."""
    assert losses(runs[name]) == pytest.approx(losses(runs["plain"]), rel=2e-5)


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_passes_and_offloading_change_no_log_probability(runs, name, side):
    found, plain = ([row[f"logps/{side}"] for row in numbers(runs[one])] for one in (name, "plain"))
    assert found == pytest.approx(plain, rel=2e-5)


@pytest.mark.parametrize("name", MOVES)
def test_other_ranks_and_stages_go_on_where_the_first_were(runs, name):
    """Step 8 was reached and 5 was saved; each step stands once."""
    assert losses(runs[name]) == pytest.approx(losses(runs["plain"]), rel=1e-4)


def test_the_engine_writes_down_how_it_was_configured(runs):
    config = json.loads(runs["offloaded, stage 3"].deepspeed_config.read_text())
    assert config["zero_optimization"]["stage"] == 3
    assert config["zero_optimization"]["offload_param"]["device"] == "cpu"
    assert config["train_batch_size"] == 4
