"""`score --config FILE`: the options of the command as YAML."""

import json

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError

QUESTION = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}


@pytest.fixture
def score(tmp_path):
    data = tmp_path / "mm_vet"
    data.mkdir()
    (data / "mm-vet.json").write_text(json.dumps({"v1_0": QUESTION}))
    (tmp_path / "answers.jsonl").write_text('{"id": "v1_0", "response": "A tiger"}\n')
    for name, grade in (("low", "0.25"), ("high", "0.75")):
        row = {"id": "v1_0", "replies": [grade]}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    stated = {
        "benchmark": "mm_vet",
        "responses": tmp_path / "answers.jsonl",
        "data": data,
        "judge": f"replay:{tmp_path}/low.jsonl",
    }

    def run(more="", *words):
        lines = [f"{key}: {value}" for key, value in stated.items() if f"{key}:" not in more]
        (tmp_path / "score.yaml").write_text("\n".join([*lines, more]) + "\n")
        return CliRunner().invoke(app, ["score", "--config", str(tmp_path / "score.yaml"), *words])

    run.folder = tmp_path
    return run


def total(done):
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)["official"]["total"]


def test_a_file_gives_every_option_also_those_that_must_be_given(score):
    assert total(score("json: true\njudge_workers: 2\n")) == 25.0


def test_an_option_on_the_command_line_wins_over_the_file(score):
    assert total(score("", "--json", "--judge", f"replay:{score.folder}/high.jsonl")) == 75.0


def test_options_that_may_be_repeated_are_a_list(score):
    done = score("id: [v1_0]\njson: true")
    assert json.loads(done.stdout)["id"] == "v1_0"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("jugde: openai", "unknown option 'jugde'. Did you mean"),
        ("data.max_bad_rows: 3", "unknown option 'data.max_bad_rows'"),
        ("limit: {a: 1}", "limit: write one plain value"),
        ("config: other.yaml", "unknown option 'config'"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(score, more, told):
    done = score(more)
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)


def test_a_value_that_the_option_does_not_take_is_named(score):
    done = score("judge-runs: many")
    assert done.exit_code == 2
    assert "--judge-runs" in done.output
