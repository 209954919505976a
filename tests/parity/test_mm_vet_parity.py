"""MM-Vet against recorded runs of its evaluator: every grade and every printed number."""

import json

import pytest
from recorded import official, recorded, texts

from benchmarks.mm_vet import BENCHMARK
from benchmarks.types import Response

RECORDED = recorded("mm_vet")


@pytest.fixture(scope="module")
def samples():
    row = {"question": "", "answer": "", "imagename": "", "imagesource": ""}
    rows = {k: row | {"capability": v} for k, v in RECORDED["capabilities"].items()}
    return BENCHMARK.read({"mm-vet.json": json.dumps(rows)})


@pytest.fixture(params=RECORDED["scenarios"])
def scenario(request):
    return RECORDED["scenarios"][request.param]


@pytest.fixture
def scores(scenario, samples):
    replies = {name: texts(value) for name, value in scenario["replies"].items()}
    scored = [BENCHMARK.score(s, Response(s.id, "an answer"), replies[s.id]) for s in samples]
    return official(BENCHMARK, scored)


def test_every_grade_is_the_recorded_one(scenario, samples, scores):
    grades = {s.id: list(score.runs) for s, score in zip(samples, scores, strict=True)}
    assert grades == scenario["scores"]


def test_every_printed_number_is_the_recorded_one(scenario, scores):
    metrics = BENCHMARK.aggregate(scores)
    printed = scenario["cap_scores"] | {
        f"integration/{name}": value for name, value in scenario["int_scores"].items()
    }
    deviation = printed.pop("std")
    assert metrics.pop("total_std", 0.0) == deviation
    assert metrics == printed
