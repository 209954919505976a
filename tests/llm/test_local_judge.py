"""`--judge local:MODEL` by transformers: a model made here judges without key and endpoint."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_data import write_case
from local_scoring import scored
from tiny_judge import TEMPLATE, write_judge

from harness.errors import ConfigError, DataError, JudgeError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.judging.annotators import find_annotators
from harness.evaluation.judging.local import batched, opening, worker
from harness.evaluation.judging.local.generate import BEGIN, END, Generator, said
from harness.llm.chat import default_store
from harness.llm.messages import ChatRequest
from harness.llm.store import ReplyStore
from harness.models.text import find_text_model, weight_bytes


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_judge(tmp_path_factory.mktemp("judge") / "tiny-judge")


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No key, nothing that vLLM would be, and no engine of another test."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(opening, "vllm_command", tuple)
    yield
    opening.close_engines()


@pytest.fixture
def in_process(monkeypatch):
    """Run the worker in this process, which has imported torch already; count its jobs."""
    jobs = []

    def run(command, log, environment, look):
        jobs.append(json.loads(Path(command[-1]).read_text()))
        worker.main(Path(command[-1]))
        look()
        return 0

    monkeypatch.setattr(batched, "run_logged", run)
    return jobs


def stored():
    with sqlite3.connect(default_store()) as store:
        rows = store.execute("SELECT request, reply FROM replies").fetchall()
    return [(json.loads(request), json.loads(reply)) for request, reply in rows]


def test_a_process_of_its_own_judges_without_key_and_endpoint(tmp_path, model, capsys):
    """Seven ratings of 4 and one of 2 are 3.75 on average."""
    card = scored("mmhal", tmp_path, model).scorecard
    assert (card.official["score"], card.counts["unscored"]) == (3.75, 0)
    revision = find_text_model(str(model)).revision
    name = f"local:tiny-judge@{revision[:12]} (transformers, greedy)"
    assert card.judge == f"{name} instead of gpt-4-0314"
    assert "mmhal: replies: 8/8" in capsys.readouterr().err
    for request, _ in stored():
        assert request["endpoint"] == f"local transformers {revision}"
        assert (request["temperature"], request["max_tokens"]) == (0.0, 1024)


def test_an_unreadable_reply_is_asked_for_once_in_the_same_words(tmp_path, model, in_process):
    """MM-Vet's second call differs from the first, its other four do not: two questions.

    Seven answers have half a point and the eighth none: 43.75.
    """
    evaluation = scored("mm_vet", tmp_path, model)
    assert evaluation.scorecard.official["total"] == pytest.approx(43.8, abs=0.051)
    assert [len(job["requests"]) for job in in_process] == [8, 1]
    doubted = next(item for item in evaluation.items if item.sample.id == "v1_3")
    assert doubted.replies.judge == ("maybe", "maybe")
    assert {request["max_tokens"] for request, _ in stored()} == {3}


@pytest.mark.parametrize(
    ("name", "reply"), [("llava_bench", "8 7"), ("object_halbench", '["dog"]')]
)
def test_every_judged_benchmark_is_judged(tmp_path, model, in_process, name, reply):
    evaluation = scored(name, tmp_path, model)
    assert {item.replies.judge for item in evaluation.items} == {(reply,)}
    assert evaluation.scorecard.counts["scored"] == 8
    assert len(in_process) == 1


def test_nobody_is_asked_twice_and_the_journal_can_be_replayed(tmp_path, model, in_process):
    first = scored("mmhal", tmp_path, model, tmp_path / "replies.jsonl").scorecard
    again = scored("mmhal", tmp_path, model).scorecard
    assert (again, len(in_process)) == (first, 1)
    judge = find_annotators(f"replay:{tmp_path / 'replies.jsonl'}", tmp_path)
    case = write_case("mmhal", tmp_path)
    replayed = evaluate(case.benchmark, tmp_path, tmp_path / "answers.jsonl", judge).scorecard
    assert replayed.official == first.official


def test_another_revision_or_engine_never_answers_for_it(tmp_path, model, in_process):
    scored("mmhal", tmp_path, model)
    other = shutil.copytree(model, tmp_path / "tiny-judge")
    scored("mmhal", tmp_path, other)
    assert len(in_process) == 1  # the same contents at another place
    settings = json.loads((other / "generation_config.json").read_text()) | {"top_k": 7}
    (other / "generation_config.json").write_text(json.dumps(settings))
    find_text_model.cache_clear()
    scored("mmhal", tmp_path, other)
    assert len(in_process) == 2
    places = {request["endpoint"] for request, _ in stored()}
    assert len(places) == 2
    served = opening.Served(find_text_model(str(model)), ("vllm",), default_store())
    judge = opening.LocalJudge(served)
    question = ChatRequest(judge.engine.model, (("user", "How 1?"),), 0.0)
    assert judge.engine.known(question) is None
    assert "(vllm, greedy)" in judge.name(write_case("mmhal", tmp_path).benchmark.annotator)


def test_settings_of_the_model_do_not_make_it_other_than_greedy(model):
    """Its own are sampling at temperature 5 with a penalty; the template is told not to think."""
    request = ChatRequest("m", (("system", "x"), ("user", "How 2?")), 0.0, 9)
    replies = Generator(model).replies([request, request, request])
    assert [reply["text"] for reply in replies] == ["Rating: 4 and so on"] * 3
    assert [reply["completion_tokens"] for reply in replies] == [4] * 3


def test_thoughts_are_cut_away_and_never_a_score(tmp_path):
    """A template that has no switch leads this model to think: only what follows counts."""
    switch = "enable_thinking is defined and not enable_thinking"
    thinking = write_judge(tmp_path / "thinking", TEMPLATE.replace(switch, "false"))
    how = ChatRequest("m", (("user", "How 2?"),), 0.0, 9)
    assert [one["text"] for one in Generator(thinking).replies([how])] == ["Rating: 6"]
    lost = write_judge(tmp_path / "lost", "{{ messages[-1]['content'] }}<lost>")
    assert [one["text"] for one in Generator(lost).replies([how])] == [""]


@given(st.text(), st.text(), st.booleans())
def test_what_stands_before_the_end_of_thoughts_is_never_said(thought, answer, begun):
    thought, answer = thought.replace(END, ""), answer.replace(END, "").replace(BEGIN, "")
    text = (BEGIN if begun else "") + thought
    assert said(text + END + answer, thinking=not begun) == answer.strip()
    assert said(text, thinking=not begun) == ""


def test_batches_are_of_like_length_and_equal_limit():
    asked = [ChatRequest("m", (("user", "x" * n),), 0.0, 3 + n % 2) for n in range(40)]
    made = list(worker.batches(asked, 16))
    assert sorted(map(len, made)) == [4, 4, 16, 16]
    for batch in made:
        assert len({request.max_tokens for request in batch}) == 1
        lengths = [len(request.messages[0][1]) for request in batch]
        assert lengths == sorted(lengths, reverse=True)


STUB = """
import sys, time, types
module = types.ModuleType("harness.evaluation.judging.local.generate")
class Generator:
    at_once = 16
    def __init__(self, folder): pass
    def replies(self, batch):
        with open({log!r}, "a") as log:
            log.writelines(request.messages[0][1] + "\\n" for request in batch)
        time.sleep(0.3)
        return [dict(text="ok", prompt_tokens=1, completion_tokens=1) for _ in batch]
module.Generator = Generator
sys.modules[module.__name__] = module
from pathlib import Path
from harness.evaluation.judging.local.worker import main
main(Path({job!r}))
"""


def test_a_kill_loses_the_batch_in_flight_and_the_rest_goes_on(tmp_path):
    """80 questions are 5 batches; the third is being answered when the process is killed."""
    log, job = tmp_path / "asked", tmp_path / "job.json"
    requests = [worker.as_job(ChatRequest("m", (("user", f"{n:03}"),), 0.0, 3)) for n in range(80)]
    store = {"store": str(tmp_path / "replies.sqlite"), "progress": str(tmp_path / "progress")}
    job.write_text(json.dumps({"folder": "", "place": "p", "requests": requests} | store))
    program = [sys.executable, "-c", STUB.format(log=str(log), job=str(job))]
    killed = subprocess.Popen(program)
    wait_for(lambda: log.exists() and len(log.read_text().split()) == 48)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert subprocess.run(program, check=False).returncode == 0
    asked = log.read_text().split()
    twice = {one for one in asked if asked.count(one) > 1}
    assert twice == set(asked[32:48])  # what was in flight, and nothing else
    replies = ReplyStore(Path(store["store"]))
    known = [
        replies.recall("p", ChatRequest("m", (("user", f"{n:03}"),), 0.0, 3)) for n in range(80)
    ]
    assert None not in known
    assert (tmp_path / "progress").read_text() == "80"


def wait_for(happened, seconds=20.0):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_process_that_fails_is_told_with_its_words_and_what_is_missing(tmp_path, model):
    broken = shutil.copytree(model, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text()) | {"model_type": "no-such-model"}
    (broken / "config.json").write_text(json.dumps(config))
    with pytest.raises(JudgeError) as error:
        scored("mmhal", tmp_path, broken)
    message = str(error.value)
    assert "transformers failed with exit code 1; the end of " in message
    assert "no-such-model" in message
    assert "8 of 8 replies about the responses to 'mmhal' are missing" in message


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "chat_template.jinja").unlink(), "it has no chat template"),
        (lambda folder: (folder / "model.safetensors").unlink(), "neither is there"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer is there"),
        (lambda folder: (folder / "config.json").unlink(), "config.json: it is not there"),
    ],
    ids=["template", "weights", "tokenizer", "config"],
)
def test_a_model_that_cannot_judge_is_refused_before_it_is_loaded(tmp_path, model, spoil, told):
    folder = shutil.copytree(model, tmp_path / "judge")
    spoil(folder)
    with pytest.raises(DataError, match=told):
        find_annotators(f"local:{folder}", tmp_path)


def test_a_judge_without_a_model_and_several_runs_are_refused(tmp_path, model):
    with pytest.raises(ConfigError, match=r"names no model\. Write local:FOLDER or local:owner"):
        find_annotators("local:", tmp_path)
    with pytest.raises(ConfigError, match="--judge-runs 5 goes with --judge openai"):
        find_annotators(f"local:{model}", tmp_path, runs=5)


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("Qwen/Qwen3-8B", 16e9),
        ("Qwen/Qwen2.5-0.5B-Instruct@abc", 1e9),
        ("meta-llama/Llama-3.1-70B-Instruct", 140e9),
        ("Qwen/Qwen3-30B-A3B", 60e9),
        ("mistralai/Mixtral-8x7B-Instruct", None),
        ("some/model", None),
    ],
)
def test_the_size_of_a_model_that_is_not_here_stands_in_its_name(words, size):
    assert weight_bytes(words) == size


def test_the_size_of_a_model_that_is_here_is_that_of_its_files(model):
    assert weight_bytes(str(model)) == os.path.getsize(model / "model.safetensors")
