"""Results go to stdout, messages to stderr, and the exit code says who must act."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import registry
from harness.__main__ import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run the command line in this process."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return run


def test_show_gives_every_value_a_source(harness: Callable[..., Result]):
    result = harness("show", "--method", "dama", "--size", "7b", "--json")
    assert result.code == 0
    rows = json.loads(result.out)
    assert {key.partition(".")[0] for key in rows} == {
        *("method", "model", "data", "training", "evaluation")
    }
    assert rows["method.beta"]["value"] == 0.1
    assert all(row["source"].strip() for row in rows.values())


def test_show_draws_the_same_values_as_a_table(harness: Callable[..., Result]):
    rows = json.loads(harness("show", "--method", "dpo", "--json").out)
    table = harness("show", "--method", "dpo").out
    assert [key for key in rows if key not in table] == []


def test_an_override_is_shown_with_its_origin(harness: Callable[..., Result]):
    rows = json.loads(harness("show", "--method", "dama", "--set", "method.beta=0.2", "--json").out)
    assert rows["method.beta"] == {"value": 0.2, "source": "--set"}


def test_list_prints_json_for_programs(harness: Callable[..., Result]):
    rows = json.loads(harness("list", "sizes", "--json").out)
    assert [row["size"] for row in rows] == ["tiny", "7b", "13b"]


def test_list_runs_of_an_empty_folder_says_so_on_stderr(harness: Callable[..., Result], tmp_path):
    result = harness("list", "runs", "--out", str(tmp_path))
    assert result == Result(0, "", "There are no runs yet.\n")


@pytest.fixture
def answers(tmp_path: Path) -> list[str]:
    """Arguments of `score`: one question of MM-Vet, whose judge gives the answer 0.5."""
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (tmp_path / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (tmp_path / "judge_prompt.txt").write_text("Question | Answer | Prediction | Correctness")
    (tmp_path / "answers.jsonl").write_text('{"id": "v1_0", "response": "A tiger"}\n')
    (tmp_path / "replies.jsonl").write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    return [
        *("--benchmark", "mm_vet", "--data", str(tmp_path)),
        *("--responses", str(tmp_path / "answers.jsonl")),
        *("--judge", f"replay:{tmp_path / 'replies.jsonl'}"),
    ]


def test_score_prints_the_numbers_of_saved_answers(
    harness: Callable[..., Result], answers: list[str]
):
    """One answer worth 0.5 of 1 is 50 percent."""
    card = json.loads(harness("score", *answers, "--json").out)
    assert card["official"]["total"] == 50.0
    assert card["counts"]["scored"] == 1
    table = harness("score", *answers).out
    assert "total" in table
    assert "1 scored" in table


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--method", "damma"], "Unknown method 'damma'. Did you mean 'dama'?"),
        (["--method", "dama", "--size", "7"], "Did you mean '7b'? Known: tiny, 7b, 13b."),
        (["--method", "dama", "--variant", "relesed"], "Did you mean 'released'?"),
        (["--method", "dama", "--set", "method.bta=0.2"], "Did you mean 'method.beta'?"),
        (["--method", "dama", "--set", "method.beta=-1"], "method.beta = -1 (--set): "),
        (["--method", "dama", "--set", "method.beta"], "write key=value"),
        (["--method", "dama", "--set", "method.beta=["], "the value is not YAML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("command", ["show", "reproduce"])
def test_what_a_user_can_repair_is_one_message_and_exit_code_1(
    harness: Callable[..., Result], tmp_path: Path, command: str, arguments: list[str], told: str
):
    out = ["--out", str(tmp_path / "out")] if command == "reproduce" else []
    result = harness(command, *arguments, *out)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert told in result.err
    assert result.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["list", "nothing"],
        ["reproduce", "--method", "dama", "--seeds", "0,0"],
        ["reproduce", "--method", "dama", "--seeds", "one"],
        ["reproduce", "--method", "dama", "--seeds", "-1"],
        ["reproduce", "--method", "dama", "--seeds", str(2**63)],
        ["plan", "--method", "dama", "--seeds", "0,1" + "0" * 30],
        ["plan", "--method", "dama", "--seeds", "9" * 5000],
        ["reproduce", "--method", "dama", "--devices", "0"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_2(harness: Callable[..., Result], arguments: list[str]):
    result = harness(*arguments)
    assert result.code == 2
    assert "Usage: " in result.err
    assert result.out == ""


def test_an_interrupt_is_exit_code_130(
    harness: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "methods", interrupted)
    assert harness("show", "--method", "dama").code == 130
