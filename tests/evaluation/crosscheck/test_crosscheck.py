import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "llm"))
from chat_server import KEY, ChatServer

from benchmarks.types import Sample
from harness.errors import DataError, JudgeError
from harness.evaluation.crosscheck import crosscheck as crosschecks
from harness.evaluation.crosscheck import worker
from harness.evaluation.crosscheck.crosscheck import JUDGE, crosscheck, crosscheck_path
from harness.evaluation.crosscheck.values import VALUES, row_of
from harness.llm.messages import ChatRequest, ChatSettings

NAMES = ("mm_vet", "llava_bench")
CAPABILITIES = (["rec"], ["ocr", "rec"], ["ocr"])
CATEGORIES = ("conv", "detail", "complex")


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def run(tmp_path):
    """A run with answers to three questions of each benchmark, and the data."""
    data = tmp_path / "data"
    (data / "mm_vet").mkdir(parents=True)
    rows = {
        f"v1_{i}": {
            "imagename": f"{i}.png", "question": f"What is {i}?", "answer": "one<OR>two",
            "capability": CAPABILITIES[i],
        }
        for i in range(3)
    }  # fmt: skip
    (data / "mm_vet" / "mm-vet.json").write_text(json.dumps(rows))
    folder = data / "llava_bench"
    questions = [
        {"question_id": i, "image": "0.jpg", "category": CATEGORIES[i], "text": f"Why {i}?"}
        for i in range(3)
    ]
    write_lines(folder / "questions.jsonl", questions)
    write_lines(folder / "context.jsonl", [{"image": "0.jpg", "caption": ["A dog.", "A cat."]}])
    write_lines(
        folder / "answers_gpt4.jsonl", [{"question_id": i, "text": f"So {i}."} for i in range(3)]
    )
    made = tmp_path / "run"
    for name, ids in {"mm_vet": list(rows), "llava_bench": [0, 1, 2]}.items():
        answers = [{"id": key, "response": f"mine {i}"} for i, key in enumerate(ids)]
        write_lines(made / "responses" / f"{name}.jsonl", answers)
    return made


@pytest.fixture
def judge(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    servers = []

    def start(text, **kwargs):
        servers.append(ChatServer(text, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def grade(body, nth):
    """MM-Vet: 0.0, 0.5 and 1.0 for the answers 0, 1 and 2; LLaVA: 8 against 4, 6 and 8."""
    text = json.loads(body)["messages"][-1]["content"]
    place = next(i for i in range(3) if f"mine {i}" in text)
    return f"8 {4 + 2 * place}\nBecause." if "[Context]" in text else f"{place / 2}"


def checked(run, server, names=NAMES):
    settings = ChatSettings(base_url=server.url, attempts=2, longest_wait=0.01)
    return crosscheck(run, names, run.parent / "data", settings=settings)


@pytest.mark.processes
def test_values_are_those_of_lmms_eval_s_samples_and_paid_once(run, judge):
    """MM-Vet: rec (0 + 0.5) / 2, ocr (0.5 + 1) / 2. LLaVA: means 8 and 6; by category 4, 6, 8."""
    server = judge(grade)
    found = checked(run, server, (*NAMES, "mmhal"))
    assert found["mm_vet"].values == {"total": 50.0, "rec": 25.0, "ocr": 75.0}
    assert found["llava_bench"].values == {
        "all": 75.0, "conv": 50.0, "detail": 75.0, "complex": 100.0,
    }  # fmt: skip
    assert set(found) == set(NAMES)
    for name, check in found.items():
        assert (check.dropped, check.samples, check.judge) == (None, 3, JUDGE)
        assert json.loads(crosscheck_path(run, name).read_text())["lmms_eval"] == check.lmms_eval
    prompts = [request["messages"][-1]["content"] for request in server.requests]
    assert len(prompts) == len(set(prompts)) == 6
    assert any("What is 1? | one <OR> two | mine 1 |" in prompt for prompt in prompts)
    assert any("A dog.\nA cat." in prompt and "So 2." in prompt for prompt in prompts)
    assert checked(run, server) == found
    assert len(server.requests) == 6, "a check that is there is not made again"


@pytest.mark.processes
def test_unreadable_replies_drop_the_score_instead_of_making_it_a_hundred(run, judge):
    """One of three LLaVA replies is junk; one MM-Vet grade is out of range, asked for ever."""

    def junk(body, nth):
        text = json.loads(body)["messages"][-1]["content"]
        return "5" if "| mine 1 |" in text else "no idea" if "mine 2" in text else grade(body, nth)

    found = checked(run, judge(junk))
    assert [check.values for check in found.values()] == [{}, {}]
    assert "could not read the judge's reply on 1 of 3" in found["llava_bench"].dropped
    assert "keeps asking" in found["mm_vet"].dropped
    again = checked(run, judge(grade), ("llava_bench",))["llava_bench"]
    assert again.values["all"] == 75.0, "a dropped check is made again"


class DeadService:
    def __init__(self):
        self.asked = 0

    def ask(self, request):
        self.asked += 1
        raise JudgeError("could not be reached")


def test_nothing_more_is_asked_after_the_first_failed_call():
    from harness.evaluation.crosscheck.worker import JudgeLog

    service = DeadService()
    log = JudgeLog(service)
    for text in ("one", "two"):
        with pytest.raises(JudgeError):
            log.ask(ChatRequest("model-1", (("user", text),), 0.0))
    assert (service.asked, log.failure) == (1, "could not be reached")


def test_missing_data_are_no_words_for_the_judge():
    sample = Sample(7, "Why?", "0.jpg", "conv", {"caption": None, "answer": "So."})
    with pytest.raises(DataError, match="sample 7: the data hold no caption"):
        row_of("llava_bench", sample)


def test_process_that_dies_is_the_reason(run, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    found = crosscheck(run, ("mm_vet",), run.parent / "data")["mm_vet"]
    assert (found.values, found.dropped) == (
        {}, "lmms-eval ended with exit code 1; see crosscheck.log",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "read"), [("0.5", True), (" 1 |", True), ("1.2", False), ("nan", False), ("", False)]
)
def test_mm_vet_reads_a_grade_from_zero_to_one(reply, read):
    assert VALUES["mm_vet"].readable(reply) is read


@pytest.mark.parametrize(
    ("reply", "read"), [("8 7", True), ("8, 7\nso", True), ("\n8\n7", False), ("ten", False)]
)
def test_llava_reads_two_numbers_on_the_first_line(reply, read):
    assert VALUES["llava_bench"].readable(reply) is read


def test_failed_judging_shows_in_the_samples():
    assert VALUES["mm_vet"].failed({"score": 0.0, "eval_model": ""})
    assert not VALUES["mm_vet"].failed({"score": 0.0, "eval_model": "gpt"})
    assert VALUES["llava_bench"].failed({"scores": [-1, -1]})
    assert not VALUES["llava_bench"].failed({"scores": [8.0, 0.0]})


def test_every_setting_of_the_judge_reaches_the_process_that_asks_it(tmp_path, monkeypatch):
    """What the command line of that process gives back equals what was asked with."""
    settings = ChatSettings(
        base_url="http://localhost:1/v1",
        key_file=tmp_path / "a key",
        workers=3,
        max_calls=0,
        max_tokens=9,
        attempts=2,
        timeout=1.5,
        longest_wait=0.5,
        unreadable_attempts=3,
        stop_unreadable="1/2",
        max_unjudged=1,
    )
    assert all(
        getattr(settings, name) != f.default for name, f in ChatSettings.model_fields.items()
    )
    commands, received = [], []
    monkeypatch.setattr(
        crosschecks, "run_logged", lambda command, *_: commands.append(command) or 0
    )
    monkeypatch.setattr(worker, "check_all", lambda *asked: received.append(asked))
    crosscheck(tmp_path, ["mm_vet"], tmp_path / "data", settings=settings)
    worker.main(commands[0][3:])
    files = {"mm_vet": "mm_vet"}
    assert received == [(tmp_path, files, tmp_path / "data", JUDGE, settings)]
