"""Verdicts on made runs whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import correct, graded, mentions, ratings

from benchmarks.types import Metric
from harness.reporting.claims.judging import Finding, Judged, Method, judge_claims
from harness.reporting.claims.quantities import asked_of
from harness.reporting.claims.show import finding_lines
from harness.settings.claims import Claim
from harness.settings.preset_files import read_file, read_preset

JUDGE = "openai: gpt-3.5-turbo-0613; tagger: en_core_web_trf"
MODEL = "llava-hf/llava-1.5-7b-hf"
ROWS = {"base": "base", "+data": "dama model_aware=false", "+model": "dama data_aware=false"}
DAMA = read_preset("dama", "7b").claims
RESPONSES, MENTIONS = (
    "object_halbench/response_hallucination",
    "object_halbench/mention_hallucination",
)
BASE = mentions(161, 252, 1000)
"""53.7 % of responses and 25.2 % of mentions."""
OURS = mentions(30, 47, 1000)
"""10.0 % and 4.7 %."""
SETTING = {"size": "7b", "judge": JUDGE}


def judged(name, runs, size="7b", model=MODEL, claims=DAMA):
    (found,) = judge_claims({name: claims[name]}, Method("dama", size, model, ROWS), runs)
    return found


def verdicts(found):
    return {one.metric: one.verdict for one in found.findings}


@pytest.mark.parametrize(
    ("before", "after", "reduction", "free"),
    [
        (53.6, 10.0, 81.3, 90.0),  # the reading as rates free of hallucination
        (25.2, 4.7, 81.3, 95.3),
        (53.6, 5.36, 90.0, 94.6),  # what the reading as reductions would need
        (25.2, 1.1844, 95.3, 98.8),
    ],
)
def test_both_readings_of_the_abstract_by_arithmetic(before, after, reduction, free):
    metric = Metric("response_hallucination", "percent", higher_is_better=False)
    relative = asked_of(DAMA["reduction"], metric, RESPONSES)
    rate = asked_of(DAMA["free_of_hallucination"], metric, RESPONSES)
    assert relative.measure(after, before) == pytest.approx(reduction, abs=0.05)
    assert rate.measure(after) == pytest.approx(free, abs=0.05)
    assert relative.number == rate.number == 90.0


def test_no_score_with_one_decimal_is_a_reduction_of_exactly_so_much():
    """5.3 gives 90.1 and 5.4 gives 89.9; 1.2 gives 95.2 and 1.1 gives 95.6."""
    reduction = asked_of(DAMA["reduction"], Metric("x", "percent", False), RESPONSES).measure
    scores = np.arange(0, 54, 0.1).round(1)
    assert 90.0 not in reduction(scores, 53.6).round(1)
    assert 95.3 not in reduction(scores, 25.2).round(1)


def test_a_run_with_10_0_and_4_7_supports_one_reading_and_not_the_other(maker):
    runs = [maker.run("base", BASE, **SETTING), maker.run("dama", OURS, **SETTING)]
    free, reduction = judged("free_of_hallucination", runs), judged("reduction", runs)
    assert free.verdict == "supported"
    assert [one.ours for one in free.findings] == pytest.approx([90.0, 95.3])
    assert [one.difference for one in free.findings] == pytest.approx([0, 0], abs=1e-9)
    assert reduction.verdict == "not supported"
    assert verdicts(reduction) == dict.fromkeys((RESPONSES, MENTIONS), "not supported")
    assert [one.ours for one in reduction.findings] == pytest.approx([81.4, 81.3], abs=0.1)
    assert [one.difference for one in reduction.findings] == pytest.approx([-8.6, -14.0], abs=0.1)
    assert all(one.low < one.ours < one.high < one.paper for one in reduction.findings)


def test_a_run_with_half_of_that_supports_the_reduction(maker):
    """15 of 300 responses and 11 of 1000 mentions: 90.7 % and 95.6 % less."""
    runs = [
        maker.run("base", BASE, **SETTING),
        maker.run("dama", mentions(11, 11, 1000), **SETTING),
    ]
    assert judged("reduction", runs).verdict == "supported"


@pytest.mark.parametrize(
    ("hallucinating", "verdict"),
    [(10, "supported"), (75, "not supported"), (36, "cannot be told")],
)
def test_above_gpt_4v(maker, hallucinating, verdict):
    """Of 300 responses 3.3 %, 25 % and 12 %; GPT-4V has 13.6 %."""
    runs = [maker.run("dama", mentions(hallucinating, hallucinating, 1000), **SETTING)]
    found = judged("above_gpt_4v", runs)
    (one,) = [each for each in found.findings if each.metric == RESPONSES]
    assert one.verdict == verdict
    assert one.ours == pytest.approx(13.6 - hallucinating / 3)
    if verdict == "cannot be told":
        # (1.96 + 0.84)^2 * 12 % * 88 % / 1.6^2 = 3,240.
        count = int(one.why.split("about ")[1].split(" pictures")[0].replace(",", ""))
        assert count == pytest.approx(3240, rel=0.06)
        assert "like these 300" in one.why


def test_a_number_is_not_told_by_an_interval_that_is_too_wide(maker):
    """30 pictures: ten times as many have a third of the error."""
    claim = DAMA["free_of_hallucination"].model_copy(update={"samples": {}})
    runs = [maker.run("dama", mentions(3, 5, 100, count=30), **SETTING)]
    found = judged("free", runs, claims={"free": claim})
    (one, _) = found.findings
    assert one.verdict == "cannot be told"
    # 1.96^2 * 10 % * 90 % / 5^2 = 138.
    count = int(one.why.split("about ")[1].split(" pictures")[0])
    assert count == pytest.approx(138, rel=0.1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"judge": "openai: gpt-4o"}, "other judge: openai: gpt-4o"),
        ({"protocol": "greedy"}, "other protocol: greedy, the paper's is official or rlaifv"),
        ({"size": "tiny"}, "only claims of direction are judged there"),
    ],
)
def test_another_setting_is_not_comparable(maker, change, told):
    runs = [maker.run(name, scores, **SETTING | change) for name, scores in
            (("base", BASE), ("dama", OURS))]  # fmt: skip
    for name in ("reduction", "free_of_hallucination", "above_gpt_4v"):
        found = judged(name, runs, size=change.get("size", "7b"))
        assert found.verdict == "not comparable"
        assert told in found.findings[0].why
        assert found.findings[0].ours is None


def test_another_base_model_and_other_data_are_not_comparable(maker):
    runs = [maker.run("dama", OURS, **SETTING)]
    found = judged("above_gpt_4v", runs, model="world:base")
    assert "other base model: the paper trains LLaVA-1.5-7B" in found.findings[0].why
    few = [maker.run("dama", mentions(3, 5, 100, count=30), seed=1, **SETTING)]
    found = judged("above_gpt_4v", few)
    assert found.verdict == "not comparable"
    assert found.findings[0].why == "other data: 30 answers, the paper's are 300"


def five(hall, good, value, grade, amber=None):
    return mentions(hall, hall, 1000) | ratings(good) | correct(value) | graded(grade)


def test_a_direction_is_judged_by_any_judge_and_on_the_tiny_world(maker):
    rng = np.random.default_rng(0)
    value = rng.uniform(0, 0.6, 218)
    grade = rng.integers(3, 6, 60)
    runs = [
        maker.run("dpo", five(120, 40, value, grade)),
        maker.run("dama", five(60, 70, value + 0.2, grade + rng.integers(0, 2, 60))),
    ]
    found = judged("better_than_dpo", runs, size="tiny")
    told = verdicts(found)
    assert told.pop("amber/hal") == "cannot be told"
    assert set(told.values()) == {"supported"}
    assert found.verdict == "cannot be told"
    worse = judged(
        "better_than_dpo", [replace(runs[1], label="dpo"), replace(runs[0], label="dama")], "tiny"
    )
    assert worse.verdict == "not supported"
    assert worse.findings[0].ours < 0


def test_a_direction_that_two_items_carry_cannot_be_told(maker):
    runs = [maker.run("dpo", ratings(60)), maker.run("dama", ratings(62))]
    found = judged("better_than_dpo", runs)
    (one,) = [each for each in found.findings if each.metric == "mmhal/score"]
    assert one.verdict == "cannot be told"
    assert one.low <= 0 < one.high
    assert "pictures like these 96 would do" in one.why


def test_seeds_that_differ_ask_for_more_seeds(maker):
    """DAMA's three seeds at 60, 66 and 84 of 96, DPO's at 60: items alone would show it."""
    runs = [maker.run("dpo", ratings(60), seed) for seed in range(3)]
    runs += [maker.run("dama", ratings(good), seed) for seed, good in enumerate((60, 66, 84))]
    found = judged("better_than_dpo", runs)
    (one,) = [each for each in found.findings if each.metric == "mmhal/score"]
    assert one.verdict == "cannot be told"
    assert "seeds would do" in one.why


def test_a_direction_is_judged_over_the_seeds_that_both_rows_have(maker):
    """DAMA's other two seeds are far better, and DPO has none to hold beside them."""
    runs = [maker.run("dpo", ratings(60))]
    runs += [maker.run("dama", ratings(good), seed) for seed, good in enumerate((40, 96, 96))]
    assert judged("better_than_dpo", runs).verdict == "not supported"
    (one,) = [
        each
        for each in judged("better_than_dpo", [runs[0], *runs[2:]]).findings
        if each.metric == "mmhal/score"
    ]
    assert one.verdict == "cannot be told"
    assert one.why == "dama and dpo have no world and seed in common"


def test_each_half_is_told_by_the_row_of_the_ablation_table(maker):
    runs = [
        maker.run("dpo", mentions(150, 200, 1000)),
        maker.run("dama model_aware=false", mentions(80, 100, 1000)),
        maker.run("dama data_aware=false", mentions(200, 300, 1000)),
        maker.run("dama", mentions(30, 47, 1000)),
    ]
    assert judged("data_half_helps", runs).verdict == "supported"
    assert judged("model_half_helps", runs).verdict == "not supported"
    assert judged("both_are_better_than_data", runs).verdict == "supported"
    assert judged("both_are_better_than_model", runs).verdict == "supported"
    absent = judged("model_half_helps", runs[:2])
    assert absent.verdict == "cannot be told"
    assert absent.findings[0].why == "no run of dama data_aware=false is judged on object_halbench"


def test_general_ability_is_kept_within_a_margin(maker):
    """MM-Vet half a point below the base model on all answers; then ten points."""
    rng = np.random.default_rng(1)
    value = rng.uniform(0.2, 0.9, 218)
    noise = rng.normal(0, 0.01, 218)
    name, model = "mm_vet/total", MODEL
    for drop, verdict in ((0.005, "supported"), (0.1, "not supported")):
        runs = [
            maker.run("base", correct(value), judge=f"j{drop}"),
            maker.run("dama", correct(value - drop + noise), judge=f"j{drop}"),
        ]
        assert verdicts(judged("general_ability_kept", runs, model=model))[name] == verdict


def test_two_judges_are_two_findings(maker):
    runs = [maker.run(name, ratings(good), judge=judge) for judge in "ab"
            for name, good in (("dpo", 30), ("dama", 70))]  # fmt: skip
    found = judged("better_than_dpo", runs)
    mmhal = [one for one in found.findings if one.metric == "mmhal/score"]
    assert [one.setting.judge for one in mmhal] == ["a", "b"]
    told = [list(finding_lines(found, one))[-1].strip() for one in mmhal]
    assert told == [
        f"judge {one.setting.judge}; protocol official; data {one.setting.data}" for one in mmhal
    ]
    assert {one.verdict for one in mmhal} == {"supported"}


def test_rows_without_stored_items_cannot_be_told(maker):
    runs = [maker.run("dpo", ratings(30)), maker.run("dama", ratings(70))]
    runs[1].items["mmhal"].unlink()
    found = judged("better_than_dpo", runs)
    (one,) = [each for each in found.findings if each.metric == "mmhal/score"]
    assert one.verdict == "cannot be told"
    assert "no such file" in one.why


def test_equal_answers_cannot_be_told_apart(maker):
    runs = [maker.run("dpo", ratings(30)), maker.run("dama", ratings(30))]
    (one,) = [each for each in judged("better_than_dpo", runs).findings
              if each.metric == "mmhal/score"]  # fmt: skip
    assert (one.verdict, one.why) == ("cannot be told", "no item tells the rows apart")


@pytest.mark.parametrize(
    ("kinds", "whole"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "not supported", "cannot be told"], "not supported"),
        (["supported", "cannot be told", "not comparable"], "cannot be told"),
        (["supported", "not comparable"], "not comparable"),
        ([], "cannot be told"),
    ],
)
def test_a_claim_holds_if_all_of_it_does(kinds, whole):
    findings = tuple(Finding("mmhal/score", kind) for kind in kinds)
    assert Judged("x", DAMA["reduction"], findings).verdict == whole


def test_claims_about_mdpo_lie_ready_and_are_of_known_metrics(maker):
    claims = read_file("mdpo_claims", "methods.presets").claims
    runs = [maker.run("dpo", ratings(30)), maker.run("mdpo", ratings(70))]
    for one in judge_claims(claims, Method("mdpo", "7b", MODEL, {"base": "base"}), runs):
        assert one.findings
    assert isinstance(claims["better_than_dpo"], Claim)
