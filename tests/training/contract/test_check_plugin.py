"""Methods with a fault, in a package of their own: each is told by name, and nothing else stops."""

import textwrap

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError
from harness.training.contract.check import Result, check_method

METHOD = """
import random

import torch

from methods.logps import equal_shares, reward_gap
from methods.types import LossOutput, Method, MethodConfig, NoState

LEAKED = []


class Config(MethodConfig):
    beta: float = 0.1


def loss(batch, config, state, context):
    gaps = reward_gap(batch)
    losses = -torch.nn.functional.logsigmoid(config.beta * gaps)
    weights = equal_shares(losses, context)
    metrics = {"reward_gap": gaps.detach()}
    FAULT
    return LossOutput(losses, weights, state, metrics)


METHOD = Method(
    name="made",
    config=Config,
    loss=loss,
    init_state=lambda config: NoState(),
    source="",
)
"""
ALL = ("loads", "presets", "gradients", "metrics", "state", "evaluation", "randomness")
ALL += ("cut", "order", "swap")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a module `made_method` and the metadata that an installer leaves behind."""

    def write(source):
        info = tmp_path / "made-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-one\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[harness.methods]\nmade = made_method:METHOD\n")
        (tmp_path / "made_method.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(str(tmp_path))

    yield write
    import sys

    sys.modules.pop("made_method", None)


def results():
    return {check.name: check.result for check in check_method("made")}


def failed():
    """The checks that failed, with what is said."""
    return {check.name: check.said for check in check_method("made") if check.result == "FAILS"}


def test_a_method_without_fault_passes_every_check(install):
    install(METHOD.replace("FAULT", "pass"))
    assert results() == dict.fromkeys(ALL, Result.OK)


@pytest.mark.parametrize("name", ["dpo", "dama", "aot", "wpo", "simpo"])
def test_our_own_pass(name):
    assert {check.result for check in check_method(name)} <= {Result.OK, Result.NONE}


def test_a_method_that_says_so_has_no_law_of_cuts(install):
    own = "beta: float = 0.1\n    per_device = property(lambda self: True)"
    install(METHOD.replace("FAULT", "pass").replace("beta: float = 0.1", own))
    assert results()["cut"] is Result.NONE


@pytest.mark.parametrize(
    ("fault", "check", "told"),
    [
        ("losses = losses.log() - losses.log() * float('inf')", "gradients", "its loss is"),
        ("losses = (losses - losses.detach()).sqrt()", "gradients", "gradient is not finite"),
        ("losses = losses.mean()", "gradients", "made_method.py, line"),
        ("losses = losses.detach()", "gradients", "without a gradient"),
        ("return None", "gradients", "returns of type NoneType; wanted is a LossOutput"),
        ("raise ValueError('no')", "gradients", "its loss raised ValueError: no"),
        ("batch.chosen.changed.sum()", "gradients", "declares no segments"),
        (
            "losses = losses + batch.chosen.policy.sum(-1) * 0 + batch.columns['x']",
            "gradients",
            "x",
        ),
        ("weights = torch.ones_like(losses)", "gradients", "sum over all pairs"),
        ("metrics['words'] = torch.ones(3)", "metrics", "'words' as float32 [3]"),
        ("metrics['number'] = 0.5", "metrics", "'number' as of type float"),
        ("metrics['share'] = torch.tensor(float('nan'))", "metrics", "'share' is nan"),
        ("state = 3", "state", "its state is a int"),
        ("losses = losses * torch.rand(())", "randomness", "torch's global generator"),
        ("losses = losses * random.random()", "randomness", "the second time"),
        ("LEAKED.append(0); losses = losses * len(LEAKED)", "randomness", "the second time"),
        ("weights = torch.full_like(losses, 1 / len(losses)).detach()", "cut", "use `gather`"),
        (
            "losses = losses * torch.arange(len(losses))",
            "order",
            "the order of the pairs changes its loss",
        ),
        ("metrics['reward_gap'] = gaps.detach().abs()", "swap", "does not change its sign"),
    ],
)
def test_a_fault_is_told_by_its_name_and_by_what_to_do(install, fault, check, told):
    install(METHOD.replace("FAULT", fault))
    said = failed()
    assert told in said[check]
    assert said[check].startswith("made: ")


def test_a_batch_that_is_cut_badly_stops_no_rank_for_long(install):
    """One rank raises where another waits for it."""
    fault = "context.rank and 1 / 0; context.gather(losses)"
    install(METHOD.replace("FAULT", fault))
    assert "ZeroDivisionError" in failed()["cut"]


def test_after_a_loss_that_is_none_the_rest_is_not_tried(install):
    install(METHOD.replace("FAULT", "return None"))
    assert {name for name, result in results().items() if result is Result.SKIPPED} == set(ALL[3:])


WEIGHED = """
    sides = [batch.chosen, batch.rejected]
    assert all((one.columns["severity"][one.mask] > 0).all() for one in sides)
    assert not any(one.columns["severity"][~one.mask].any() for one in sides)
    sums = [(one.columns["severity"] * (one.policy - one.reference)).sum(-1) for one in sides]
    losses = -torch.nn.functional.logsigmoid(sums[0] - sums[1])
    metrics = {"reward_gap": (sums[0] - sums[1]).detach()}
"""


def test_a_method_gets_its_token_columns_and_each_side_its_own(install):
    method = METHOD.replace("    FAULT\n", WEIGHED)
    named = 'source="", token_columns=frozenset({"severity"})'
    install(method.replace('source=""', named))
    assert {*results().values()} == {Result.OK}


def test_a_method_that_declares_no_token_columns_has_none(install):
    install(METHOD.replace("    FAULT\n", WEIGHED))
    assert "`columns`: the method declares no token_columns" in failed()["gradients"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise RuntimeError('broken')", "RuntimeError('broken')"),
        ("import sys\nsys.exit(3)", "SystemExit(3)"),
        ("METHOD = 3", "is of type int, not Method"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named_and_everything_else_works(install, source, told):
    install(source)
    (check,) = check_method("made")
    assert (check.name, check.result) == ("loads", Result.FAILS)
    assert told in check.said
    assert "package 'made-one'" in check.said
    assert all(check.result is not Result.FAILS for check in check_method("dpo"))


def test_a_broken_package_leaves_the_list_of_sizes(install):
    install("raise RuntimeError('broken')")
    listed = CliRunner().invoke(app, ["list", "sizes"])
    assert listed.exit_code == 0
    assert "tiny" in listed.stdout
    assert "method 'made' of package 'made-one' cannot be loaded" in listed.stderr


def test_presets_that_are_not_there_are_named(install):
    install(METHOD.replace("FAULT", "pass").replace('source=""', 'source="", presets="no.such"'))
    assert "'no.such' as the package of its presets" in failed()["presets"]


def test_a_field_without_default_or_preset_is_named(install):
    install(METHOD.replace("FAULT", "pass").replace("float = 0.1", "float"))
    assert "these have no default: beta" in failed()["presets"]


def test_an_unknown_method_gets_the_nearest_name():
    with pytest.raises(ConfigError, match=r"Unknown method 'dpoo'. Did you mean 'dpo'"):
        list(check_method("dpoo"))


def test_the_command_prints_a_line_per_check_and_ends_with_one_if_any_fails(install):
    install(METHOD.replace("FAULT", "metrics['share'] = torch.tensor(float('nan'))"))
    done = CliRunner().invoke(app, ["check-plugin", "made"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(ALL)
    assert "FAILS" in lines[3]
    assert "'share' is nan" in lines[3]
    assert "Seen with the defaults of its configuration." in lines[3]
    done = CliRunner().invoke(app, ["check-plugin", "dpo"])
    assert done.exit_code == 0
