"""The recorded runs through `score --json`: every printed number, and what failures do to it."""

import json
import math

import pytest
from score_cases import ERROR, RECORDED, lines, llava_bench, mm_vet, mmhal, object_halbench
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import HarnessError


def scored(case, *more, told=None):
    result = CliRunner().invoke(app, ["score", *case.arguments, "--json", *more])
    if told is not None:
        assert isinstance(result.exception, HarnessError)
        assert told in str(result.exception)
        return None
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def answered(case, replies):
    """Replace the recorded replies of some samples."""
    rows = [json.loads(line) for line in case.replies.read_text("utf-8").splitlines()]
    lines(case.replies, [row | {"replies": replies.get(row["id"], row["replies"])} for row in rows])
    return case


@pytest.mark.parametrize(("build", "scenario"), RECORDED, ids=lambda x: getattr(x, "__name__", x))
def test_every_printed_number_is_the_recorded_one(tmp_path, build, scenario):
    case, printed = build(tmp_path, scenario)
    official = scored(case)["official"]
    official.pop("amber_score", None)  # no script prints it
    assert official == printed


def test_object_halbench_without_judge_prints_the_recorded_numbers(tmp_path):
    case, printed = object_halbench(tmp_path, "overall_words")
    card = scored(case, "--judge", "none")
    assert card["official"] == card["careful"] == printed
    assert (card["benchmark"], card["judge"]) == ("object_halbench", "none")
    assert card["remarks"][-1].startswith("Nobody was asked")


def test_refused_calls_before_a_reply_change_nothing(tmp_path):
    case, printed = mmhal(tmp_path, "nominal")
    rows = [json.loads(line) for line in case.replies.read_text("utf-8").splitlines()]
    refused = {row["id"]: [ERROR, ERROR, *row["replies"]] for row in rows}
    card = scored(answered(case, refused))
    assert card["official"] == printed
    assert "failed" not in card["counts"]


@pytest.mark.parametrize("build", [mmhal, llava_bench, mm_vet, object_halbench])
def test_a_call_that_failed_for_good_is_never_a_score(tmp_path, build):
    scenario = {mm_vet: "nominal_1run", object_halbench: "overall"}.get(build, "nominal")
    case, printed = build(tmp_path, scenario)
    first = json.loads(case.replies.read_text("utf-8").split("\n")[0])["id"]
    card = scored(answered(case, {first: [ERROR]}))
    assert card["official"] == {}
    assert set(card["careful"]) == set(printed)
    assert card["counts"]["failed"] == card["counts"]["unscored"] == 1


def test_a_reply_without_a_list_stops_the_published_script_and_not_the_careful_numbers(tmp_path):
    case, printed = object_halbench(tmp_path)
    card = scored(answered(case, {100001: ["null"]}))
    assert card["official"] == {}
    assert set(card["careful"]) == set(printed)
    assert card["counts"]["unscored"] == 1


def test_no_object_anywhere_is_a_division_by_zero_in_the_published_script(tmp_path):
    case, _ = object_halbench(tmp_path)
    ids = [json.loads(line)["id"] for line in case.responses.read_text().splitlines()]
    card = scored(answered(case, {key: ["[]", "[]"] for key in ids}))
    assert card["official"] == {}


def test_all_grades_unreadable_is_a_hundred_officially_and_nothing_carefully(tmp_path):
    case, _ = llava_bench(tmp_path, "nominal")
    card = scored(answered(case, {i: ["I cannot compare them."] for i in range(60)}))
    assert set(card["official"].values()) == {100.0}
    assert card["careful"] == {}
    assert card["counts"]["unscored"] == 60


def test_a_grade_of_nan_spoils_its_category_officially_and_not_carefully(tmp_path):
    """Question 0 is a conversation."""
    case, printed = llava_bench(tmp_path, "nominal")
    card = scored(answered(case, {0: ["nan 7"]}))
    assert {name: card["official"].pop(name) for name in ("detail", "complex")} == {
        name: printed[name] for name in ("detail", "complex")
    }
    assert all(map(math.isnan, card["official"].values()))
    assert not any(map(math.isnan, card["careful"].values()))


def test_a_part_of_mm_vet_is_scored_like_the_published_subset(tmp_path):
    """The script takes a list of ids; here the answers are the list. First answer only: its own."""
    case, _ = mm_vet(tmp_path, "nominal_1run")
    first = case.responses.read_text().splitlines()[:1]
    lines(case.responses, map(json.loads, first))
    answered(case, {"v1_0": ["0.3"]})
    card = scored(case)
    assert card["official"]["total"] == 30.0
    assert card["counts"]["samples"] == 1


def test_runs_of_different_number_are_told_and_not_averaged(tmp_path):
    case, _ = mm_vet(tmp_path, "five_runs")
    told = (
        f"{case.replies}: judged in different numbers of runs: sample 'v1_0' in 1, the others in 5"
    )
    scored(answered(case, {"v1_0": ["0.3"]}), told=told)


def test_missing_replies_are_told(tmp_path):
    case, _ = mmhal(tmp_path, "nominal")
    rows = [json.loads(line) for line in case.replies.read_text("utf-8").splitlines()]
    lines(case.replies, rows[1:])
    scored(case, told="no replies for sample 0")
