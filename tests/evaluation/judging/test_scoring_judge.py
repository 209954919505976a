"""Judges: recorded replies, and a model behind an endpoint on this machine."""

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.types import FAILED_CALL, Call, LLMJudge, Response, Sample
from harness.errors import ConfigError, DataError, JudgeError
from harness.evaluation.judging.judge import OpenAIJudge, Question
from harness.evaluation.judging.replay import ReplayJudge
from harness.llm.chat import ChatSettings
from harness.llm.profiles import UNKNOWN

KEY = "sk-secret-of-the-test"
ANNOTATOR = LLMJudge(
    model="judge-1",
    calls=(Call(0.0), Call(0.5, " again"), Call(1.0, " again")),
    readable=str.isdigit,
    max_tokens=3,
    system="Be fair.",
)


def question(sample_id=1, annotator=ANNOTATOR):
    sample, response = Sample(sample_id, "?", ""), Response(sample_id, "an answer")
    return Question("some_benchmark", annotator, sample, response, lambda: "Rate it.")


@pytest.fixture
def replay(tmp_path):
    def make(*rows):
        path = tmp_path / "replies.jsonl"
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return ReplayJudge(path)

    return make


def test_recorded_replies_come_in_call_order(replay):
    judge = replay({"id": 1, "replies": ["no", None, {"error": "rate_limit"}, "4"]}, "")
    assert judge.replies(question()) == ["no", "", FAILED_CALL, "4"]
    assert judge.name(ANNOTATOR) == "recorded replies of an unnamed judge"


def test_several_runs_are_put_one_after_the_other(replay):
    judge = replay({"id": "v1_0", "runs": [["?", "1"], ["2"]]})
    assert judge.replies(question("v1_0")) == ["?", "1", "2"]


def test_a_sample_without_recorded_replies_is_an_error(replay):
    with pytest.raises(JudgeError, match=r"no replies for sample 2"):
        replay({"id": 1, "replies": []}).replies(question(2))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["{"], ":1: expected"),
        ([{"id": 1}], ":1: expected"),
        ([{"id": [], "replies": []}], ":1: expected"),
        (["[" * 100_000], ":1: expected"),
        ([{"id": 1, "replies": []}, {"id": 1, "replies": []}], ":2: id 1 stands twice"),
    ],
)
def test_wrong_recordings_are_named(replay, rows, told):
    with pytest.raises(DataError, match=told):
        replay(*rows)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.jsonl"):
        ReplayJudge(tmp_path / "nothing.jsonl")


def test_a_recording_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"id": 1, "replies": ["é"]}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.jsonl: cannot read"):
        ReplayJudge(path)


def test_half_a_surrogate_pair_in_a_recording_is_replaced(replay):
    assert replay('{"id": 1, "replies": ["a\\ud83d"]}').replies(question()) == ["a\ufffd"]


class Endpoint:
    """A chat endpoint that gives prepared answers: a status, or a text with the model's name."""

    def __init__(self):
        self.answers, self.requests = [], []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                endpoint.requests.append(json.loads(self.rfile.read(length)))
                status, body = endpoint.next()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return answer, {"error": {"message": "not now"}}
        text, model = answer
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return 200, {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
        }


@pytest.fixture
def endpoint(monkeypatch, tmp_path):
    endpoint = Endpoint()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{endpoint.server.server_port}/v1")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.llm.chat.ChatService._pause", lambda *_: 0)
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


def test_the_model_is_called_until_its_reply_is_readable(endpoint):
    endpoint.answers = [("hm", "judge-1"), ("4", "judge-1")]
    assert OpenAIJudge().replies(question()) == ["hm", "4"]
    first, second = endpoint.requests
    assert first == {
        "model": "judge-1",
        "messages": [
            {"role": "system", "content": "Be fair."},
            {"role": "user", "content": "Rate it."},
        ],
        "temperature": 0.0,
        "max_tokens": 3 + UNKNOWN.thinking_tokens,
    }
    assert second["messages"][1]["content"] == "Rate it. again"
    assert second["temperature"] == 0.5


def test_a_busy_service_is_asked_again_and_the_attempts_do_not_count(endpoint):
    endpoint.answers = [429, 500, ("4", "judge-1")]
    assert OpenAIJudge().replies(question()) == ["4"]
    assert [request["temperature"] for request in endpoint.requests] == [0.0] * 3


def test_a_service_that_stays_away_is_an_error_and_never_a_reply(endpoint):
    endpoint.answers = [503]
    with pytest.raises(JudgeError, match="could not be reached") as caught:
        OpenAIJudge().replies(question())
    assert len(endpoint.requests) == ChatSettings().attempts
    assert KEY not in str(caught.value)


def test_a_refused_request_is_not_repeated(endpoint):
    endpoint.answers = [401]
    with pytest.raises(JudgeError, match=r"HTTP 401.*Look at the key"):
        OpenAIJudge().replies(question())
    assert len(endpoint.requests) == 1


def test_a_request_that_is_refused_by_itself_is_a_failed_call(endpoint):
    endpoint.answers = [400]
    assert OpenAIJudge().replies(question()) == [FAILED_CALL]
    assert len(endpoint.requests) == 1


def test_another_model_that_answers_is_an_error(endpoint):
    endpoint.answers = [("4", "judge-1-turbo")]
    with pytest.raises(JudgeError, match="'judge-1-turbo' answered"):
        OpenAIJudge().replies(question())


def test_a_stand_in_model_is_named_as_such(endpoint):
    endpoint.answers = [("4", "judge-2")]
    judge = OpenAIJudge("judge-2")
    assert judge.replies(question()) == ["4"]
    assert judge.name(ANNOTATOR) == "judge-2 instead of judge-1"
    assert OpenAIJudge("judge-1").name(ANNOTATOR) == "judge-1"


SEVERAL = dataclasses.replace(ANNOTATOR, several_runs=True)


def test_every_run_asks_anew_and_a_second_time_nobody(endpoint):
    endpoint.answers = [("hm", "judge-1"), ("4", "judge-1"), ("5", "judge-1")]
    judge = OpenAIJudge(runs=2)
    assert judge.replies(question(annotator=SEVERAL)) == ["hm", "4", "5"]
    assert judge.replies(question(annotator=SEVERAL)) == ["hm", "4", "5"]
    assert len(endpoint.requests) == 3
    assert judge.name(SEVERAL) == "judge-1, 2 runs"


def test_equal_calls_after_unreadable_replies_are_paid_each(endpoint):
    endpoint.answers = [("hm", "judge-1"), ("hm", "judge-1"), ("4", "judge-1")]
    same = dataclasses.replace(ANNOTATOR, calls=(Call(0.2),) * 100)
    assert OpenAIJudge().replies(question(annotator=same)) == ["hm", "hm", "4"]
    assert OpenAIJudge().replies(question(annotator=same)) == ["hm", "hm", "4"]
    assert len(endpoint.requests) == 3


def test_a_benchmark_of_one_run_refuses_several(endpoint):
    with pytest.raises(ConfigError, match="'some_benchmark' is judged in one run"):
        OpenAIJudge(runs=5).replies(question())


def test_without_a_key_nothing_is_asked(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIJudge()
