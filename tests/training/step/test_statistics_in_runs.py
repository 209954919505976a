"""A method of another package that reads every statistic: on two devices, in passes, cut up."""

import textwrap

import pytest
from processes import numbers, workers

from harness.training.contract.check import Result, check_method

READER = """
from methods.logps import equal_shares, reward_gap, sequence_sums
from methods.types import LossOutput, Method, MethodConfig, NoState


def loss(batch, config, state, context):
    sides = (batch.chosen, batch.rejected)
    surprise = sum(
        sequence_sums(side.policy.detach() - side.statistics["log_sum_p2"], side.mask)
        for side in sides
    )
    words = [side.statistics["arg_max"] for side in sides]
    assert all(str(one.dtype) == "torch.int64" and not one[~side.mask].any()
               for one, side in zip(words, sides))
    losses = -(0.1 * reward_gap(batch)).sigmoid().log()
    metrics = {"surprise": surprise, "words": sum(one.sum(-1).double() for one in words)}
    return LossOutput(losses, equal_shares(losses, context), state, metrics)


METHOD = Method(
    name="reader",
    config=MethodConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="",
    statistics=frozenset({"arg_max", "log_sum_p2"}),
)
"""
WAYS = {
    "two": (2, {}),
    "in passes": (1, {"pairs_per_pass": 1}),
    "cut up": (2, {"zero_stage": 3, "gradient_checkpointing": True}),
    "bfloat16": (1, {"precision": "bfloat16"}),
}


@pytest.fixture(scope="module")
def _installed(tmp_path_factory):
    """The method in a package of its own, which other processes see as well."""
    folder = tmp_path_factory.mktemp("package")
    info = folder / "reader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.methods]\nreader = reader_method:METHOD\n")
    (folder / "reader_method.py").write_text(textwrap.dedent(READER).lstrip())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


@pytest.fixture(scope="module")
def runs(make_run, _installed):
    made = {}
    for ranks in (1, 2):
        plan = []
        for name, (count, training) in ({"whole": (1, {})} | WAYS).items():
            if count == ranks:
                made[name] = make_run("reader", training={"epochs": 1, **training})[0]
                made[name].logs.mkdir()
                plan.append((made[name], None))
        workers(plan, ranks)
    return {name: numbers(run) for name, run in made.items()}


@pytest.mark.processes
@pytest.mark.parametrize("way", WAYS)
def test_devices_passes_and_stages_read_the_same_words(runs, way):
    """The ids of four pairs' words, on average; bfloat16 may take another where two are near."""
    near = 0.1 if way == "bfloat16" else 1e-4
    for name in ("words", "surprise"):
        whole, other = ([row[name] for row in runs[which]] for which in ("whole", way))
        assert len(whole) == 5
        assert min(map(abs, whole)) > 0
        assert other == pytest.approx(whole, rel=near)


@pytest.mark.usefixtures("_installed")
def test_the_contract_gives_a_method_what_it_declares():
    results = {check.name: check.result for check in check_method("reader")}
    assert set(results.values()) <= {Result.OK, Result.NONE}
    assert results["gradients"] == results["cut"] == Result.OK
