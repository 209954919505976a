"""MMHal-Bench against recorded runs of LLaVA-RLHF's and RLHF-V's scripts."""

import pytest
from recorded import official, recorded

from benchmarks.mmhal import BENCHMARK, TYPES
from benchmarks.types import Response, Sample

RECORDED = recorded("mmhal")


@pytest.fixture(params=RECORDED["scenarios"])
def scenario(request):
    return RECORDED["scenarios"][request.param]


@pytest.fixture
def scores(scenario):
    samples = [Sample(i, "", "", kind) for i, kind in enumerate(RECORDED["question_types"])]
    return official(
        BENCHMARK,
        [
            BENCHMARK.score(sample, Response(sample.id, "an answer"), [reply])
            for sample, reply in zip(samples, scenario["replies"], strict=True)
        ],
    )


def test_every_rating_is_the_recorded_one(scenario, scores):
    assert [score.rating for score in scores] == scenario["scores"]


def test_every_printed_number_is_the_recorded_one(scenario, scores):
    informativeness, average, rate, by_type = (
        line.partition(": ")[2] for line in scenario["printed"]
    )
    metrics = BENCHMARK.aggregate(scores)
    assert metrics["informativeness"] == float(informativeness)
    assert metrics["score"] == float(average)
    assert metrics["hallucination_rate"] == pytest.approx(100 * float(rate), abs=1e-9)
    assert [metrics[f"score/{name}"] for name in TYPES] == [float(x) for x in by_type.split(",")]
