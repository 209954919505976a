"""`--judge local:MODEL` by vLLM: a program in its place is started, waited for, asked and ended."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_scoring import scored
from tiny_judge import write_judge

from harness.errors import JudgeError
from harness.evaluation.judging.local import opening
from harness.models.text import find_text_model

STANDIN = Path(__file__).with_name("standin_vllm.py")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_judge(tmp_path_factory.mktemp("judge") / "tiny-judge")


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Put the stand-in first on PATH, without a key of anybody."""
    programs, notes = tmp_path / "bin", tmp_path / "notes"
    programs.mkdir()
    notes.mkdir()
    program = programs / "vllm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {STANDIN} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("STANDIN", str(notes))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nothing there: it must not be asked
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    yield notes
    opening.close_engines()


def read(file):
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(happened, seconds=20.0):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_server_is_started_once_asked_about_all_benchmarks_and_ended(tmp_path, model, notes):
    names = ("mmhal", "mm_vet")
    mmhal, mm_vet = (scored(name, tmp_path / name, model).scorecard for name in names)
    assert (mmhal.official["score"], mm_vet.official["total"]) == (4.0, 50.0)
    found = find_text_model(str(model))
    assert mmhal.judge == f"local:{found.label} (vllm, greedy) instead of gpt-4-0314"
    (started,) = read(notes / "started.jsonl")
    assert all(map(alive, started["pids"]))
    opening.close_engines()
    assert not any(map(alive, started["pids"]))
    asked = read(notes / "asked.jsonl")
    assert len(asked) == 16
    assert {(one["model"], one["temperature"]) for one in asked} == {(found.revision, 0.0)}
    scored("mmhal", tmp_path / "mmhal", model)
    assert (len(read(notes / "asked.jsonl")), len(read(notes / "started.jsonl"))) == (16, 1)


def test_the_key_is_in_no_argument_and_the_template_thinks_no_more(tmp_path, model, notes):
    scored("mmhal", tmp_path, model)
    ((started),) = read(notes / "started.jsonl")
    words = started["argv"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[1:3] == ["serve", str(model)]
    assert (options["--host"], options["--generation-config"]) == ("127.0.0.1", "vllm")
    assert options["--max-model-len"] == "4096"
    template = Path(options["--chat-template"]).read_text()
    assert template == "{%- set enable_thinking = false %}" + find_text_model(str(model)).template
    environment = Path(f"/proc/{started['pids'][0]}/environ").read_bytes().decode()
    key = next(
        word.partition("=")[2]
        for word in environment.split("\0")
        if word.startswith("VLLM_API_KEY=")
    )
    assert len(key) == 48
    assert not any(key in word for word in words)


PROGRAM = """
import sys
from pathlib import Path
from local_scoring import scored
scored("mmhal", Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("when", ["loading", "answering"])
def test_the_server_ends_when_we_are_killed_and_the_rest_goes_on(
    tmp_path, model, notes, monkeypatch, when
):
    monkeypatch.setenv("STANDIN_SLEEP" if when == "loading" else "STANDIN_DELAY", "2")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STANDIN.parent), os.getcwd()]))
    words = [sys.executable, "-c", PROGRAM, str(tmp_path / "data"), str(model)]
    killed = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    begun = notes / ("started.jsonl" if when == "loading" else "asked.jsonl")
    wait_for(lambda: bool(read(begun)))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (started,) = read(notes / "started.jsonl")
    wait_for(lambda: not any(map(alive, started["pids"])), 15)
    monkeypatch.setenv("STANDIN_SLEEP", "0")
    monkeypatch.setenv("STANDIN_DELAY", "0")
    assert scored("mmhal", tmp_path / "data", model).scorecard.official["score"] == 4.0


def test_a_server_that_does_not_start_is_told_with_its_words(tmp_path, model, notes, monkeypatch):
    monkeypatch.setenv("STANDIN_FAULT", "memory")
    with pytest.raises(JudgeError) as error:
        scored("mmhal", tmp_path, model)
    message = str(error.value)
    assert "vLLM ended with exit code 1; the end of " in message
    assert "torch.OutOfMemoryError: too large" in message
    assert "take it off PATH: transformers then runs the judge" in message
    assert "8 of 8 replies about the responses to 'mmhal' are missing" in message


def test_a_server_that_does_not_serve_in_time_is_ended(tmp_path, model, notes, monkeypatch):
    monkeypatch.setenv("STANDIN_SLEEP", "60")
    monkeypatch.setattr("harness.evaluation.judging.local.server.START_S", 1.0)
    with pytest.raises(JudgeError, match="vLLM did not serve within 1 seconds"):
        scored("mmhal", tmp_path, model)
    assert not any(alive(one) for row in read(notes / "started.jsonl") for one in row["pids"])


def test_a_server_that_dies_while_it_is_asked_is_told(tmp_path, model, notes, monkeypatch):
    monkeypatch.setenv("STANDIN_FAULT", "dies")
    with pytest.raises(JudgeError, match="vLLM ended with exit code 9; the end of"):
        scored("mmhal", tmp_path, model)
    monkeypatch.delenv("STANDIN_FAULT")
    assert scored("mmhal", tmp_path, model).scorecard.official["score"] == 4.0


def test_a_refused_question_does_not_keep_the_others_from_being_answered(
    tmp_path, model, notes, monkeypatch
):
    monkeypatch.setenv("STANDIN_FAULT", "refuses")
    card = scored("mmhal", tmp_path, model).scorecard
    assert (card.counts["failed"], card.counts["scored"]) == (1, 7)
    assert card.official == {}
    assert card.careful["score"] == 4.0
