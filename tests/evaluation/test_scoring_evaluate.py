"""From answers on disk to a scorecard: two questions of MMHal-Bench, judged from a recording."""

import dataclasses
import json
import subprocess
import sys

import pytest

from harness.errors import ConfigError, DataError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.held import Held
from harness.evaluation.judged import judge_answers
from harness.evaluation.judging.annotators import find_annotators
from harness.evaluation.score import as_json, score_responses
from harness.registry import load_benchmark
from harness.runs.rundir import RunDir
from harness.settings.spec import EvaluationSpec, ModelSpec
from harness.upstream.reading import read_data

ROW = {
    "question_type": "counting",
    "image_src": "https://example.org/pic.jpg",
    "image_content": ["Dog"],
    "question": "How many?",
    "gt_answer": "Two.",
}
REPLIES = [{"id": 0, "replies": ["Rating: 5"]}, {"id": 1, "replies": ["cannot say"]}]
ANSWERS = [{"id": 0, "response": "Two"}, {"id": 1, "response": " "}]


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "mmhal"
    folder.mkdir(parents=True)
    text = json.dumps([ROW, ROW | {"question_type": "other"}])
    (folder / "mmhal-bench_answer_template.json").write_text(text)
    return folder


@pytest.fixture
def scored(data, tmp_path):
    def score(answers=ANSWERS, replies=REPLIES):
        recording = lines(tmp_path / "recorded.jsonl", replies)
        responses = lines(tmp_path / "answers.jsonl", answers)
        return score_responses("mmhal", responses, data, f"replay:{recording}")

    return score


def test_an_unreadable_reply_counts_in_the_official_column_only(scored):
    """Ratings 5 and unreadable: official (5 + 0) / 2 = 2.5, careful 5."""
    card = scored()
    assert (card.official["score"], card.careful["score"]) == (2.5, 5.0)
    assert card.counts == {"samples": 2, "scored": 1, "unscored": 1, "empty": 1}
    assert card.judge == "recorded replies of an unnamed judge"
    assert card.protocol == "official"


def test_the_json_holds_what_other_programs_read(scored):
    card = json.loads(as_json(scored()))
    names = {"benchmark", "protocol", "judge", "official", "careful", "counts", "data"}
    assert set(card) == names
    assert card["official"]["hallucination_rate"] == 50.0


@pytest.mark.parametrize("swapped", [False, True])
def test_the_order_of_lines_does_not_matter(scored, swapped):
    answers = ANSWERS[::-1] if swapped else ANSWERS
    assert scored(answers, REPLIES[::-1]) == scored()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (ANSWERS[:1], "sample 1 of 'mmhal' not answered"),
        ([*ANSWERS, ANSWERS[0]], "sample 0 answered twice"),
        ([*ANSWERS, {"id": 7, "response": ""}], "sample 7 not in 'mmhal'"),
        ([{"id": "0", "response": ""}, ANSWERS[1]], "Ids must be text or numbers"),
        ([{"id": 0}], 'expected {"id"'),
        ([ANSWERS[0], {"id": 1}], ":2: expected a field 'response'"),
        ([{"id": 0, "response": None}], "response must be text"),
    ],
)
def test_wrong_answers_are_named(scored, answers, told):
    with pytest.raises(DataError, match=told):
        scored(answers)


@pytest.mark.parametrize(
    ("judge", "told"),
    [("gpt", "no judge 'gpt'"), (None, "needs a judge"), ("replay:", "no judge 'replay:'")],
)
def test_wrong_judges_are_named(data, tmp_path, judge, told):
    responses = lines(tmp_path / "answers.jsonl", ANSWERS)
    with pytest.raises(ConfigError, match=told):
        score_responses("mmhal", responses, data, judge)


def test_the_oracle_refuses_what_is_not_a_tiny_world(data, tmp_path):
    responses = lines(tmp_path / "answers.jsonl", ANSWERS)
    with pytest.raises(ConfigError, match="tiny world"):
        score_responses("mmhal", responses, data, "oracle")


def test_the_version_of_the_data_changes_with_every_file_that_is_read(data):
    benchmark = load_benchmark("mmhal")
    _, first = read_data(benchmark, data)
    (data / "unrelated.txt").write_text("x")
    assert read_data(benchmark, data)[1] == first
    (data / "judge_prompt.txt").write_text("{}")
    _, second = read_data(benchmark, data)
    assert second != first
    assert len(second) == len("sha256:") + 12


def test_data_of_another_benchmark_are_named(tmp_path):
    with pytest.raises(DataError, match=r"not the data of benchmark 'mmhal'"):
        read_data(load_benchmark("mmhal"), tmp_path)


def test_a_part_of_amber_is_scored_as_by_the_published_script(tmp_path):
    rows = [{"id": i, "type": "relation", "truth": "no"} for i in range(4)]
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    queries = [{"id": i, "image": "", "query": ""} for i in range(4)]
    (tmp_path / "query_all.json").write_text(json.dumps(queries))
    (tmp_path / "relation.json").write_text("{}")
    (tmp_path / "safe_words.txt").write_text("")
    responses = lines(tmp_path / "answers.jsonl", [{"id": 2, "response": "No"}])
    card = score_responses("amber", responses, tmp_path)
    assert card.counts["samples"] == 1
    assert card.official["accuracy"] == 99.9
    assert "exact matching" in card.judge


def test_a_run_gets_a_scorecard_and_its_items(data, tmp_path):
    recording = lines(tmp_path / "recorded.jsonl", REPLIES)
    asked = EvaluationSpec(
        benchmarks=("mmhal",),
        data=str(data.parent),
        judge=f"replay:{recording}",
        protocol="rlaifv",
    )
    held = Held(RunDir(tmp_path / "run"), "a checkpoint", ModelSpec(path="none"), asked)
    lines(held.responses("mmhal"), ANSWERS)
    assert held.unjudged() == ["mmhal"]
    judge_answers(held)
    assert held.unjudged() == []
    assert held.scorecards()["mmhal"].protocol == "rlaifv"
    rows = (held.judged("mmhal") / "items.jsonl").read_text().splitlines()
    assert [json.loads(row) for row in rows] == [
        {
            "id": 0,
            "question": "How many?",
            "category": "counting",
            "picture": "images/pic.jpg",
            "response": "Two",
            "replies": ["Rating: 5"],
            "score": {
                "rating": 5,
                "question_type": "counting",
                "verdict": "no hallucination",
            },
        },
        {
            "id": 1,
            "question": "How many?",
            "category": "other",
            "picture": "images/pic.jpg",
            "response": " ",
            "replies": ["cannot say"],
            "unscored": "no single rating in the judge's reply",
            "counted_as": {"rating": 0, "question_type": "other", "verdict": "hallucinated"},
        },
    ]


def test_a_metric_that_is_not_declared_is_an_error(data, tmp_path):
    """Else it would stand on the scorecard and in no table."""
    benchmark = load_benchmark("mmhal")
    less = dataclasses.replace(
        benchmark, metrics=tuple(one for one in benchmark.metrics if one.name != "score/other")
    )
    annotators = find_annotators(f"replay:{lines(tmp_path / 'recorded.jsonl', REPLIES)}", data)
    responses = lines(tmp_path / "answers.jsonl", ANSWERS)
    assert "score/other" in evaluate(benchmark, data, responses, annotators).scorecard.official
    with pytest.raises(ConfigError, match=r"'mmhal'.*'score/other'.*Add a Metric"):
        evaluate(less, data, responses, annotators)


def test_scoring_imports_neither_torch_nor_transformers():
    code = (
        "import sys, harness.evaluation.score; "
        "from benchmarks.catalog import BUILTIN; from harness.registry import load_benchmark; "
        "[load_benchmark(name) for name in BUILTIN]; "
        "sys.exit(bool({'torch', 'transformers', 'nltk'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
