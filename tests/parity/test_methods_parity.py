"""Every method with a record equals it, by the command that reads records of anybody."""

import json

import check
import pytest
from method_cases import DATA
from recorded_methods import ADAPTERS


def printed(capsys, method, file):
    code = check.main([method, str(file)])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("method", [*ADAPTERS, "dama", "rlhf_v"])
def test_every_recorded_case_is_equal(capsys, method):
    code, lines = printed(capsys, method, DATA / f"{method}.json")
    equal, total = lines[0].split("/")
    assert (code, equal) == (0, total), lines
    assert int(total) >= 9


@pytest.mark.parametrize("method", ADAPTERS)
def test_a_number_that_is_off_is_found_and_named(capsys, tmp_path, method):
    """By five thousandths in one loss of the last single step."""
    golden = json.loads((DATA / f"{method}.json").read_text("utf-8"))
    case = golden["cases"][-1]
    recorded = case.get("official", case)
    while "loss" not in recorded:
        recorded = next(value for value in recorded.values() if "loss" in value)
    recorded["loss"] += 5e-3 * (1 + abs(recorded["loss"]))
    file = tmp_path / "off.json"
    file.write_text(json.dumps(golden))
    code, lines = printed(capsys, method, file)
    equal, total = map(int, lines[0].split("/"))
    assert (code, total - equal) == (1, 1)
    assert lines[1].startswith(f"{case['id']}: official")
    assert "loss: recorded" in lines[1]


def test_an_order_of_pairs_that_is_off_is_found(capsys, tmp_path):
    """Two batches of the last case have changed places."""
    golden = json.loads((DATA / "da_dpo.json").read_text("utf-8"))
    case = golden["sampler_cases"][-1]
    indices = case["official"]["indices"]
    case["official"]["indices"] = indices[16:32] + indices[:16] + indices[32:]
    file = tmp_path / "off.json"
    file.write_text(json.dumps(golden))
    code, lines = printed(capsys, "da_dpo", file)
    assert (code, lines[0]) == (1, "14/15")
    assert lines[1].startswith(f"{case['id']}: official.indices[0]: recorded")


def test_cases_that_nobody_reads_are_told_and_not_counted(capsys, tmp_path):
    golden = json.loads((DATA / "cdpo.json").read_text("utf-8"))
    file = tmp_path / "more.json"
    file.write_text(json.dumps({**golden, "sampler_cases": [{"id": "one"}, {"id": "two"}]}))
    code, lines = printed(capsys, "cdpo", file)
    assert code == 0
    assert "not compared: 2 sampler_cases" in lines


def test_a_case_of_which_nothing_can_be_compared_is_not_equal(capsys, tmp_path):
    golden = json.loads((DATA / "cdpo.json").read_text("utf-8"))
    case = {**golden["cases"][0], "official": {"other": 1.0}}
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"cases": [{k: case[k] for k in ("id", "inputs", "official")}]}))
    code, lines = printed(capsys, "cdpo", file)
    assert (code, lines[0]) == (1, "0/1")
