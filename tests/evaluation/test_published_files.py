"""Made miniatures of published answer and judge files through `score`: table, JSON and remarks."""

import json

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError, DataError

CATEGORIES = ["conv"] * 17 + ["detail"] * 15 + ["complex"] * 28


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def invoke(name, data, answers, judge, *more):
    judged = ["--judge", judge] if judge else []
    files = ["--data", str(data), "--responses", str(answers)]
    return CliRunner().invoke(app, ["score", "-b", name, *files, *judged, *more])


def card(*arguments):
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


@pytest.fixture
def reviewed(tmp_path):
    """Answers to LLaVA-Bench with two reviews: the model's grade is 4, then 6, of 8."""
    answers = [
        {"question_id": i, "prompt": f"Question {i}?", "text": "So.", "answer_id": "x"}
        for i in range(60)
    ]
    files = [
        lines(
            tmp_path / f"eval{grade}.jsonl",
            [
                {"question_id": i, "category": f"llava_bench_{c}", "content": f"8 {grade}\nSo."}
                for i, c in enumerate(CATEGORIES)
            ],
        )
        for grade in (4, 6)
    ]
    return lines(tmp_path / "answers.jsonl", answers), files


def test_several_reviews_of_llava_bench_are_averaged_and_told_by_run(tmp_path, reviewed):
    """4 / 8 = 50.0 and 6 / 8 = 75.0, so 62.5; scaled means 80 of the reference, 40 and 60."""
    answers, (first, second) = reviewed
    found = card("llava_bench", tmp_path, answers, f"replay:{first},{second}")
    assert found["official"] == dict.fromkeys(("all", "conv", "detail", "complex"), 62.5)
    assert found["runs"]["all"] == [50.0, 75.0]
    assert found["runs"]["all, reference"] == [80.0, 80.0]
    assert found["runs"]["all, model"] == [40.0, 60.0]
    assert any("all 50.0, 75.0" in remark for remark in found["remarks"])
    assert found["judge"].endswith("2 runs")
    assert "gpt-4-0314" not in found["judge"]
    assert card("llava_bench", tmp_path, answers, f"replay:{first}")["official"]["all"] == 50.0


def test_without_questions_the_categories_are_those_of_the_reviews_and_it_is_told(
    tmp_path, reviewed
):
    answers, (first, _) = reviewed
    result = invoke("llava_bench", tmp_path / "none", answers, f"replay:{first}")
    assert result.exit_code == 0
    assert "no questions.jsonl" in " ".join(result.stderr.split())
    found = card("llava_bench", tmp_path / "none", answers, f"replay:{first}")
    assert found["data"] == "not read: categories as the reviews state them"


def test_reviews_that_do_not_state_all_samples_do_not_stand_for_the_data(tmp_path, reviewed):
    answers, (first, _) = reviewed
    lines(first, [json.loads(line) for line in first.read_text().splitlines()[:59]])
    result = invoke("llava_bench", tmp_path, answers, f"replay:{first}")
    assert isinstance(result.exception, DataError)
    assert "questions.jsonl is missing" in str(result.exception)


def mm_vet(folder):
    row = {"question": "What?", "imagename": "0.png", "answer": "A", "capability": ["rec"]}
    (folder / "mm-vet.json").write_text(json.dumps({f"v1_{i}": row for i in range(4)}))
    return folder


def test_grades_of_mm_vet_give_the_mean_of_their_runs(tmp_path):
    """Runs: (1 + 0 + 0 + 0) / 4 = 25.0 and (1 + 1 + 0 + 0) / 4 = 50.0; std 12.5, rounded 12.5."""
    grades = {
        f"v1_{i}": {"model": ["gpt-4"] * 2, "content": [a, b], "score": [float(a), float(b)]}
        for i, (a, b) in enumerate([("1.0", "1.0"), ("0.0", "1.0"), ("0.0", "0.0"), ("0.0", "0.0")])
    }
    judged = tmp_path / "x_gpt-4-grade-2runs.json"
    judged.write_text(json.dumps(grades, indent=4))
    answers = lines(
        tmp_path / "x.jsonl",
        [{"question_id": i, "prompt": "What?", "text": "A."} for i in range(4)],
    )
    found = card("mm_vet", mm_vet(tmp_path), answers, f"replay:{judged}")
    assert (found["official"]["total"], found["official"]["total_std"]) == (37.5, 12.5)
    assert found["runs"] == {"total": [25.0, 50.0]}
    assert found["judge"] == "gpt-4 instead of gpt-4-0613, 2 runs (recorded replies)"


def test_mostly_empty_answers_are_loud_in_table_json_and_on_stderr(tmp_path):
    data = mm_vet(tmp_path)
    answers = lines(
        tmp_path / "a.jsonl", [{"id": f"v1_{i}", "response": "" if i else "A."} for i in range(4)]
    )
    judged = lines(tmp_path / "r.jsonl", [{"id": f"v1_{i}", "replies": "0.5"} for i in range(4)])
    result = invoke("mm_vet", data, answers, f"replay:{judged}")
    assert "empty answers: 3 of 4" in " ".join(result.stderr.split())
    assert "3 of 4 answers are empty" in " ".join(result.stdout.split())
    assert card("mm_vet", data, answers, f"replay:{judged}")["remarks"][0].startswith("3 of 4")


def test_samples_without_an_answer_are_counted_within_the_tasks_that_are_answered(tmp_path):
    """AMBER's descriptions alone are a task of its script; half of them are not."""
    rows = [{"id": i, "type": "generative", "truth": [], "hallu": []} for i in (1, 2)]
    rows.append({"id": 3, "type": "relation", "truth": "no"})
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    queries = [{"id": i, "image": "", "query": "Describe."} for i in (1, 2, 3)]
    (tmp_path / "query_all.json").write_text(json.dumps(queries))
    (tmp_path / "relation.json").write_text("{}")
    (tmp_path / "safe_words.txt").write_text("")
    for given, missing in (([1, 2], None), ([1], 1)):
        answers = lines(tmp_path / "a.jsonl", [{"id": i, "response": ""} for i in given])
        assert card("amber", tmp_path, answers, "none")["counts"].get("missing") == missing


@pytest.mark.parametrize("judge", ["none", "openai", "openai:gpt-9", None])
def test_amber_asks_nobody_and_needs_no_key(tmp_path, monkeypatch, judge):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "annotations.json").write_text('[{"id": 3, "type": "relation", "truth": "no"}]')
    (tmp_path / "query_all.json").write_text('[{"id": 3, "image": "", "query": "Is there?"}]')
    (tmp_path / "relation.json").write_text("{}")
    (tmp_path / "safe_words.txt").write_text("")
    answers = lines(tmp_path / "a.jsonl", [{"id": 3, "response": "No"}])
    assert card("amber", tmp_path, answers, judge)["official"]["accuracy"] == 99.9


@pytest.mark.parametrize(
    ("name", "judge", "told"),
    [("mm_vet", "none", "no judge-free mode. Choose --judge openai or --judge replay:FILE")],
)
def test_a_mode_that_a_benchmark_lacks_is_told_with_what_it_has(tmp_path, name, judge, told):
    answers = lines(tmp_path / "a.jsonl", [{"id": "v1_0", "response": "A."}])
    result = invoke(name, mm_vet(tmp_path), answers, judge)
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)
