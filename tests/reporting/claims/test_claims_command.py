"""`claims` and the end of `reproduce`: verdicts from run folders alone."""

import json

import numpy as np
import pytest
from made_runs import correct, write
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError
from harness.evaluation.held import of_base, of_run
from harness.reporting.collect import print_comparison
from harness.settings.request import Request

VALUE = np.random.default_rng(0).uniform(0.1, 0.6, 218)


@pytest.fixture
def finished(lab):
    """Base, DPO and DAMA judged on MM-Vet by items: DAMA is twenty points better than both."""
    runs = {name: lab.finish(lab.run(method=name), 1.0) for name in ("dpo", "dama")}
    for held, more in (
        (of_base(runs["dpo"]), 0.0),
        (of_run(runs["dpo"]), 0.0),
        (of_run(runs["dama"]), 0.2),
    ):
        scores = correct(VALUE + more)["mm_vet"]
        write(held.judged("mm_vet"), "mm_vet", scores, "a judge", "official", each=1)
    return runs


def claims(lab, *words):
    result = CliRunner().invoke(
        app, ["claims", "--method", "dama", "--out", str(lab.out), *words], catch_exceptions=True
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_claims_of_a_method_are_judged_by_what_lies_in_the_folder(lab, finished):
    found = {one["claim"]: one for one in json.loads(claims(lab, "--json").stdout)}
    (total,) = [
        one for one in found["better_than_dpo"]["findings"] if one["metric"] == "mm_vet/total"
    ]
    assert total["verdict"] == "supported"
    assert total["ours"] == pytest.approx(20)
    assert found["better_than_dpo"]["verdict"] == "cannot be told", "four benchmarks are not there"
    assert found["data_half_helps"]["verdict"] == "cannot be told"
    assert found["general_ability_kept"]["findings"][1]["verdict"] == "supported"


def test_the_verdicts_read_in_a_terminal(lab, finished):
    text = claims(lab).stdout
    assert "Claims of the paper, dama at size tiny" in text
    assert "MM-Vet total \u2191: supported; ours better by +20.0" in text
    assert "no run of dama is judged on llava_bench" in text
    assert "[unverified: DAMA abstract" in text
    assert "over the items of one seed" in " ".join(text.split())


def test_the_end_of_reproduce_says_the_same(lab, finished, capsys):
    print_comparison(Request(method="dama", size="tiny", out=lab.out), [finished["dama"]])
    told = capsys.readouterr().out
    assert "MM-Vet total \u2191: supported; ours better by +20.0" in told
    assert "Differences from base" in told


def test_one_run_can_be_named_and_one_that_is_not_there_is_told(lab, finished):
    name = finished["dama"].folder.path.name
    assert "supported" in claims(lab, name).stdout
    with pytest.raises(ConfigError, match=r"no-such is no run of dama .* Known: dama-tiny"):
        claims(lab, "no-such")


def test_a_method_without_claims_says_so(lab, finished):
    result = CliRunner().invoke(app, ["claims", "--method", "dpo", "--out", str(lab.out)])
    assert result.exit_code == 0
    assert "hold no claims" in result.stderr


def test_without_a_run_the_command_says_what_makes_one(lab, finished):
    with pytest.raises(ConfigError, match=r"no run of dama released .* `reproduce` makes one"):
        claims(lab, "--variant", "released")


def test_a_damaged_run_is_named_and_left_out(lab, finished):
    card = of_run(finished["dpo"]).judged("mm_vet") / "scorecard.json"
    card.write_text("{")
    text = claims(lab).stdout
    assert "is left out" in text
    assert "no run of dpo is judged in the same way" in text
