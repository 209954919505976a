"""A damaged run is named and left out, and the others are shown as if it were not there."""

import json
import shutil

import pytest

from harness.errors import ConfigError
from harness.evaluation.scorecards import IDENTITY, ITEMS, SCORECARD
from harness.runs.rundir import RunDir


def judgement(folder, name="mm_vet"):
    return folder.judgements / f"{name}-0123456789ab"


def cut_items(folder):
    file = judgement(folder) / ITEMS
    file.write_bytes(file.read_bytes()[:-9])


def no_scorecard(folder):
    (judgement(folder) / SCORECARD).unlink()


def broken_scorecard(folder):
    (judgement(folder) / SCORECARD).write_text("{")


def unknown_version(folder):
    file = judgement(folder) / IDENTITY
    file.write_text(json.dumps({"made": "2026-01-01T00:00:00+00:00", "identity": {"v": 9}}))


def other_benchmark(folder):
    file = judgement(folder) / SCORECARD
    file.write_text(file.read_text().replace('"mm_vet"', '"nowhere"'))


def other_items(folder):
    (judgement(folder) / ITEMS).write_text('{"id": [1]}\n')


def broken_metrics(folder):
    folder.metrics.write_text("[1]\n")


def endless_metrics(folder):
    folder.metrics.write_text('{"step": Infinity, "loss": 1}\n')


def broken_identity(folder):
    folder.identity.write_text("{}")


def no_identity(folder):
    folder.identity.unlink()


def broken_spec(folder):
    folder.spec_file.write_text("method: [")


DAMAGES = (
    *(cut_items, no_scorecard, broken_scorecard, unknown_version, other_benchmark, other_items),
    *(broken_metrics, endless_metrics, broken_identity, no_identity, broken_spec),
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_damage_is_named_and_the_others_stay(made, page, damage):
    made.base()
    made.run("dpo", grade=0.5)
    damaged = made.run("dama", grade=1.0)
    damage(damaged)
    found = page()
    told = [fault for fault in found.faults if damaged.path.name in fault]
    assert len(told) == 1
    assert all(len(row[6]) >= 2 for row in found.items.values())
    assert "50.0" in found.html
    assert damaged.path.name in found.outside


def test_a_row_that_is_being_written_costs_no_curve(made, page):
    made.base()
    run = made.run()
    with run.metrics.open("a") as stream:
        stream.write('{"step": 301, "lo')
    found = page()
    assert "loss by step" in found.html
    assert not [fault for fault in found.faults if "curves" in fault]


def test_numbers_that_are_none_break_nothing(made, page):
    made.base()
    run = made.run()
    file = judgement(run) / ITEMS
    file.write_text(file.read_text().replace("[0.5]", "[NaN]"))
    with run.metrics.open("a") as stream:
        stream.write(f'{{"step": 301, "loss": NaN, "reward_gap": 1{"0" * 400}}}\n')
    found = page()
    assert found.items["mm_vet/v1_0"][6][1][2:5] == ["none", "nan", None]
    assert "loss by step" in found.html


def test_foreign_files_and_folders_are_named(made, page):
    made.base()
    made.run()
    (made.out / "runs" / "notes.txt").write_text("mine")
    (made.out / "runs" / "holiday").mkdir()
    assert {fault.partition(" ")[0] for fault in page().faults} >= {"notes.txt", "holiday"}


def test_missing_and_damaged_pictures_cost_no_answer(made, page):
    made.base()
    made.run()
    images = made.data / "mm_vet" / "images"
    (images / "0.png").unlink()
    (images / "1.png").write_bytes(b"no picture")
    found = page()
    assert [found.items[f"mm_vet/v1_{place}"][5] for place in range(3)] == [None, None, 0]
    assert any("2 pictures of mm_vet" in fault for fault in found.faults)


def test_pictures_of_other_data_are_not_shown(made, page):
    made.base()
    made.run()
    file = made.data / "mm_vet" / "mm-vet.json"
    file.write_text(file.read_text() + " ")
    found = page()
    assert found.data["pictures"] == []
    assert any("was judged" in fault for fault in found.faults)


def test_judged_otherwise_than_most_is_left_out(made, page):
    made.base(judge="openai")
    made.run("dpo", judge="openai")
    made.run("dama", judge="local", grade=1.0)
    found = page()
    assert any("judged otherwise" in fault for fault in found.faults)
    assert len(found.items["mm_vet/v1_0"][6]) == 2


def test_a_second_folder_of_the_base_model_and_other_models_are_named(made, page):
    base = made.base()
    made.run()
    shutil.copytree(base.path, base.path.with_name("base-tiny-copy"))
    made.judge(RunDir(base.path.with_name("llava-0123")), "0123")
    found = page()
    assert [one["name"] for one in found.data["models"]] == ["base", "dpo"]
    assert any("another folder holds" in fault for fault in found.faults)
    assert any("no run of this report starts" in fault for fault in found.faults)


def test_runs_without_their_base_model_are_shown(made, page):
    made.run("dpo")
    made.run("dama")
    found = page()
    assert [one["name"] for one in found.data["models"]] == ["dpo", "dama"]
    assert 'id="differences"' not in found.html


def test_a_base_model_alone_is_shown(made, page):
    made.base()
    assert [one["name"] for one in page().data["models"]] == ["base"]


def test_sizes_are_not_mixed(made, page):
    made.base()
    made.run()
    other = made.run("dama")
    other.spec_file.write_text(other.spec_file.read_text().replace("size: tiny", "size: 7b"))
    with pytest.raises(ConfigError, match="sizes 7b, tiny"):
        page()
    names = [one["name"] for one in page(size="tiny").data["models"]]
    assert names == ["base", "dpo"]


def test_no_run_at_all_is_an_error_that_says_so(made, page):
    with pytest.raises(ConfigError, match="no run to report on"):
        page()


def test_an_unknown_name_is_an_error_with_a_hint(made, page):
    made.run()
    with pytest.raises(ConfigError, match="Unknown run 'dpo'"):
        page("dpo")
