"""Which runs stand side by side, what they are called, and what cannot be read."""

import json
import shutil

import pytest
import world_fixture
from typer.testing import CliRunner

from harness.commands.app import app
from harness.evaluation.held import of_run
from harness.files.atomic import write_text
from harness.files.digests import tree_digest
from harness.reporting.collect import print_comparison
from harness.reporting.listing import details_of, run_rows
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir
from harness.settings.request import Request


@pytest.fixture
def table(lab, capsys):
    """Print the comparison of runs; return its rows by label, and what stderr said."""

    def shown(*runs):
        print_comparison(Request(method="dpo", size="tiny", out=lab.out), runs)
        told = capsys.readouterr()
        lines = [line.strip("│").split("│") for line in told.out.splitlines() if "│" in line]
        return {cells[0].strip(): cells[1].strip() for cells in lines}, told.err

    return shown


def test_all_finished_runs_of_the_base_model_stand_there_named_by_what_differs(lab, table):
    plain = lab.finish(lab.run(), 3.0)
    lab.finish(lab.run(seed=1), 5.0)
    lab.finish(lab.run("method.beta=0.2"), 7.0)
    lab.finish(lab.run("training.epochs=2", devices=2), 8.0)
    rows, _ = table(plain)
    assert set(rows) == {"base", "dpo", "dpo β=0.2", "dpo epochs=2.0"}
    assert rows["dpo"].startswith("4.0 ±")
    assert rows["dpo β=0.2"] == "7.0"


def test_a_run_on_data_that_changed_stands_there_under_its_data(lab, table):
    lab.finish(lab.run(), 3.0)
    world_fixture.write_rows(lab.pairs, world_fixture.rows(7))
    rows, _ = table(lab.finish(lab.run(), 6.0))
    assert rows.pop("dpo") == "6.0"
    assert rows.pop("base") == "1.0"
    (other,) = rows
    assert other.startswith("dpo (data ")
    assert rows[other] == "3.0"


def test_a_run_of_another_base_model_stands_in_another_table(lab, table):
    lab.finish(lab.run(), 3.0)
    (lab.model / "more.json").write_text("{}")
    rows, _ = table(lab.finish(lab.run(), 6.0))
    assert rows == {"base": "1.0", "dpo": "6.0"}


def damage_card(folder):
    next(folder.judgements.glob("*/scorecard.json")).write_text("{")


def damage_yaml(folder):
    folder.spec_file.write_text(folder.spec_file.read_text() + "a_later_field: 1\n")


def damage_identity(folder):
    folder.identity.write_text('{"made": "2026-11-26", "identity": {}}')


@pytest.mark.parametrize("damage", [damage_card, damage_yaml, damage_identity])
def test_a_damaged_neighbour_is_named_and_left_out(lab, table, damage):
    plain = lab.finish(lab.run(), 3.0)
    other = lab.finish(lab.run("method.beta=0.2"), 7.0).folder
    damage(other)
    rows, told = table(plain)
    assert rows == {"base": "1.0", "dpo": "3.0"}
    assert f"{other.path.name} is left out: " in told
    page = (lab.out / "tables").glob("comparison-*.md")
    assert f"{other.path.name} is left out" in next(page).read_text()


def test_tables_are_named_by_what_they_hold_and_keep_what_they_said(lab, table):
    run = lab.finish(lab.run(), 3.0)
    table(run)
    (page,) = (lab.out / "tables").glob("comparison-*.md")
    before = page.read_text()
    table(run)
    assert not (lab.out / "tables" / "history").exists()
    other = lab.run("evaluation.max_new_tokens=5")
    table(lab.finish(other, 4.0))
    assert page.read_text() == before
    assert len(list((lab.out / "tables").glob("comparison-*.md"))) == 2
    lab.finish(lab.run(seed=1), 5.0)
    table(run)
    (kept,) = (lab.out / "tables" / "history").glob("comparison-*.md")
    assert kept.read_text() == before
    index = (lab.out / "tables" / "index.md").read_text()
    assert f"[{page.stem}]({page.name})" in index


def test_runs_are_listed_with_what_they_are_and_how_far(lab):
    done = lab.finish(lab.run("method.beta=0.2"), 7.0)
    begun = lab.run(seed=1).begin()
    begun.metrics.write_text('{"step": 41}\n')
    rows, faults = run_rows(lab.out)
    assert faults == []
    states = {row["run"]: (row["what"], row["state"]) for row in rows}
    assert states[done.folder.path.name] == ("dpo β=0.2, seed 0", "finished")
    assert states[begun.path.name] == ("dpo, seed 1", "stopped at step 41")
    assert states[done.base.path.name] == ("base-tiny, as it is", "finished")
    numbers = {row["run"]: row["numbers"] for row in rows}
    assert numbers[done.folder.path.name] == {"a judge": {"MM-Vet total ↑": "7.0"}}
    shown = details_of(done.folder.path.name, lab.out)
    assert shown["decided by"] == done.identity
    assert shown["numbers"][0]["value"] == "7.0"


def test_listed_runs_fit_a_terminal_and_no_judge_hides_another(lab, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    run = lab.finish(lab.run("method.beta=0.2"), 7.0)
    place = of_run(run).judged("mm_vet")
    for number in range(4):
        other = place.with_name(f"mm_vet-{number:012d}")
        shutil.copytree(place, other)
        card = json.loads((other / "scorecard.json").read_text())
        (other / "scorecard.json").write_text(
            json.dumps(card | {"protocol": f"protocol {number}", "official": {"total": number}})
        )
    printed = CliRunner().invoke(app, ["list", "runs", "--out", str(lab.out)]).output
    assert max(map(len, printed.splitlines())) <= 60
    assert run.folder.path.name in printed.splitlines()
    assert "dpo β=0.2, seed 0; finished; " in printed
    told = " ".join(printed.split())
    assert "a judge, protocol 1: MM-Vet total ↑ 1.0" in told
    assert "a judge, official: MM-Vet total ↑ 7.0" in told


def test_runs_of_version_0_1_stand_there_where_base_and_setting_are_the_same(lab, table):
    """They were named by their words, and kept one scorecard of each benchmark."""
    plain = lab.finish(lab.run(), 3.0)
    for seed, model in ((1, tree_digest(lab.model)), (2, tree_digest(lab.model)), (3, "another")):
        old = RunDir(lab.out / "runs" / f"dpo-tiny-seed{seed}-0123456789ab")
        old.open(lab.spec("method.beta=0.3", seed=seed))
        inputs = {"template": "vicuna_v1"}
        Manifest.collect({"model": model}, inputs).write(old.manifest)
        card = (of_run(plain).judged("mm_vet") / "scorecard.json").read_text()
        write_text(old.path / "scorecards" / "mm_vet.json", card.replace("3.0", f"{seed}4.0"))
    rows, told = table(plain)
    assert rows.pop("dpo β=0.3 (0.1)").startswith("19.0 ±"), "two seeds; the third has another base"
    assert rows == {"base": "1.0", "dpo": "3.0"}
    assert "left out" not in told
    listed, faults = run_rows(lab.out)
    assert faults == []
    assert len(listed) == 5
