"""Commands of README and docs that need no model and no network, run as they stand."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from written import MADE, PAGES, commands

from harness.__main__ import main

LOOKING = {"list", "show", "check-plugin"}
QUICK = sorted(
    {
        shlex.join(words)
        for page in PAGES
        for words in commands(page)
        if words[0] in LOOKING
        and not MADE & {*words}
        and (words[0] != "show" or words[1][0] == "-")
    }
)


def run(capsys, monkeypatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert not end.value.code, told.err
    return told.out + told.err


def test_there_are_quick_commands():
    assert {"list methods", "list runs", "show --method dama --size 7b"} <= set(QUICK)


@pytest.mark.parametrize("line", [*QUICK, "plan --help", "--help"])
def test_it_runs_as_it_stands(line: str, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, monkeypatch, *shlex.split(line)).strip()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with what `score` of the README is given: a question of MM-Vet, answered."""
    data = tmp_path / "data" / "benchmarks" / "mm_vet"
    data.mkdir(parents=True)
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (data / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (data / "judge_prompt.txt").write_text("Question | Answer | Prediction | Correctness")
    (tmp_path / "answers.json").write_text('{"v1_0": "A tiger"}')
    (tmp_path / "replies.jsonl").write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    return tmp_path


def test_saved_answers_are_scored_as_the_readme_says(saved: Path, monkeypatch, capsys):
    """With recorded replies in place of a judge that is paid; one answer worth 0.5 of 1 is 50."""
    shown = [
        words for words in commands(PAGES[0]) if words[:3] == ["score", "--benchmark", "mm_vet"]
    ]
    monkeypatch.chdir(saved)
    for words in shown:
        judged = ["replay:replies.jsonl" if word == "openai" else word for word in words]
        assert "50.0" in run(capsys, monkeypatch, *judged)
    assert shown
