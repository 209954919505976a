"""A language model behind an endpoint: what is sent, what is kept, and what is never a reply."""

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from chat_server import KEY, MISCHIEF, ask_for, good, open_chat

from harness.errors import ConfigError, JudgeError
from harness.llm.chat import ChatReply, ChatRequest, ChatService, ChatSettings, Spent
from harness.llm.messages import estimated_tokens
from harness.llm.reading import PassingError, read_reply


@pytest.fixture
def store(tmp_path):
    return tmp_path / "replies.sqlite"


def test_a_request_goes_out_as_it_is_written(serve, store):
    server = serve()
    messages = (("system", "Be fair."), ("user", "Rate ✓ \ud83d it."))
    open_chat(server, store).ask(ChatRequest("model-1", messages, 0.2, 512))
    assert server.requests == [
        {
            "model": "model-1",
            "messages": [
                {"role": "system", "content": "Be fair."},
                {"role": "user", "content": "Rate ✓ � it."},
            ],
            "temperature": 0.2,
            "max_tokens": 512,
        }
    ]
    assert server.authorizations == {f"Bearer {KEY}"}


def test_the_same_request_is_paid_once_for_ever(serve, store):
    server = serve()
    first = open_chat(server, store)
    reply = first.ask(ask_for())
    assert first.ask(ask_for()) == reply
    assert first.spent == Spent(calls=1, tokens=16, recalled=1)
    second = open_chat(server, store)
    assert second.ask(ask_for()) == reply
    assert second.spent == Spent(recalled=1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"model": "model-2"},
        {"messages": (("system", "Hello"),)},
        {"temperature": 0.5},
        {"max_tokens": 3},
        {"repeat": 1},
    ],
)
def test_everything_that_decides_a_reply_makes_another_request(serve, store, change):
    server = serve()
    service = open_chat(server, store)
    service.ask(ask_for())
    service.ask(dataclasses.replace(ask_for(), **change))
    assert len(server.requests) == 2


def test_another_endpoint_is_asked_anew(serve, store):
    servers = [serve(), serve()]
    for server in servers:
        open_chat(server, store).ask(ask_for())
    assert [len(server.requests) for server in servers] == [1, 1]


def test_threads_that_ask_the_same_pay_once(serve, store):
    server = serve(delay=0.1)
    service = open_chat(server, store, timeout=5)
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(service.ask, [ask_for()] * 6))
    assert len(set(replies)) == 1
    assert service.spent == Spent(calls=1, tokens=16, recalled=5)


@pytest.mark.parametrize("trick", MISCHIEF)
def test_a_passing_failure_is_never_a_reply(serve, store, trick):
    server = serve(mischief=[trick], share=1.0)
    service = open_chat(server, store, attempts=2, timeout=0.2)
    with pytest.raises(JudgeError, match="could not be reached in 2 attempts"):
        service.ask(ask_for())
    assert len(server.requests) == 2
    assert service.known(ask_for()) is None
    server.share = 0
    assert open_chat(server, store).ask(ask_for()).text.startswith("reply ")


def test_the_service_says_how_long_to_wait(serve, store, monkeypatch):
    server = serve(mischief=["limit"], share=1.0)
    service = open_chat(server, store, attempts=2, longest_wait=60)
    waited = []
    monkeypatch.setattr(service, "_wait", waited.append)
    with pytest.raises(JudgeError, match="HTTP 429"):
        service.ask(ask_for())
    assert max(waited) == 7.0


def test_no_wait_is_longer_than_the_longest(serve, store, monkeypatch):
    server = serve(mischief=["limit"], share=1.0)
    service = open_chat(server, store, attempts=8, longest_wait=3)
    waited = []
    monkeypatch.setattr(service, "_wait", waited.append)
    with pytest.raises(JudgeError):
        service.ask(ask_for())
    assert max(waited) == 3.0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "no such parameter"}),
        (401, {"message": f"Incorrect API key provided: {KEY}"}),
        (404, {"message": "\x1b[31mno such model"}),
        (429, {"message": "You exceeded your quota", "code": "insufficient_quota"}),
    ],
)
def test_a_refusal_stops_at_once_and_shows_no_key(serve, store, status, error):
    server = serve()
    body = json.dumps({"error": error}).encode()
    server.answer = lambda handler, _: (
        server.requests.append(1),
        server.send(handler, status, body),
    )
    with pytest.raises(JudgeError, match=f"refused the request with HTTP {status}") as caught:
        open_chat(server, store).ask(ask_for())
    assert len(server.requests) == 1
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_an_answer_by_another_model_is_not_kept(serve, store):
    server = serve()
    server.answer = lambda handler, _: server.send(handler, 200, good("model-1-turbo\n", "1.0"))
    service = open_chat(server, store)
    with pytest.raises(JudgeError, match="'model-1-turbo' answered"):
        service.ask(ask_for())
    assert service.known(ask_for()) is None
    assert service.spent.calls == 1


def read(body):
    return read_reply(body, ask_for("12345"))


def test_no_text_at_the_end_of_an_answer_is_an_empty_reply():
    assert read(good("model-1", None, finish="length")).text == ""
    assert read(good("model-1", "")).text == ""
    with pytest.raises(PassingError, match="without text"):
        read(good("model-1", None, finish=None))


def test_replies_keep_control_characters_and_lose_half_pairs():
    assert read(good("model-1", "a\x00\x1b[31m\ud83d😀\r\n")).text == "a\x00\x1b[31m�😀\r\n"


def test_tokens_that_are_not_counted_are_estimated():
    """Question of 5 characters: 2 tokens; reply of 9: 3."""
    expected = ChatReply("123456789", "model-1", 2, 3)
    assert read(good("model-1", "123456789", usage=None)) == expected
    assert read(good("model-1", "123456789", usage=(-1, "3"))) == expected
    assert estimated_tokens("", "") == 0


def test_a_budget_of_calls_is_kept_and_the_rest_costs_another(serve, store):
    server = serve()
    service = open_chat(server, store, max_calls=2)
    requests = [ask_for(repeat=i) for i in range(3)]
    for request in requests[:2]:
        service.ask(request)
    with pytest.raises(JudgeError, match=r"budget of 2 calls .* 2 calls with 32 tokens are paid"):
        service.ask(requests[2])
    again = open_chat(server, store, max_calls=2)
    assert [again.ask(request).text[:5] for request in requests] == ["reply"] * 3
    assert again.spent == Spent(calls=1, tokens=16, recalled=2)


def test_failures_that_are_not_answered_do_not_count(serve, store):
    server = serve(mischief=["broken"], share=0.7)
    service = open_chat(server, store, max_calls=1)
    service.ask(ask_for())
    assert service.spent.calls == 1


def test_answers_that_cannot_be_read_count_against_the_budget(serve, store):
    server = serve(mischief=["html"], share=1.0)
    with pytest.raises(JudgeError, match="budget of 3 calls"):
        open_chat(server, store, max_calls=3).ask(ask_for())
    assert len(server.requests) == 3


def test_a_budget_of_tokens_holds_for_calls_in_flight_together(serve, store):
    """A call reserves 2 + 20 and takes 16: 16 + 22 fit into 50, 32 + 22 do not."""
    server = serve(delay=0.05)
    service = open_chat(server, store, max_tokens=50, timeout=5)
    requests = [ask_for(repeat=i, max_tokens=20) for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(service.ask, request) for request in requests]
        refused = [future for future in futures if future.exception()]
    assert len(refused) == 6
    assert service.spent.tokens == 32
    assert "budget of 50 tokens" in str(refused[0].exception())


def test_after_a_stop_nothing_new_goes_out(serve, store):
    server = serve(mischief=["limit"], share=1.0)
    service = open_chat(server, store, longest_wait=60)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(service.ask, ask_for())
        threading.Timer(0.3, service.stop).start()
        assert isinstance(future.exception(timeout=10), JudgeError)
    assert len(server.requests) <= 2


def test_the_key_may_lie_in_a_file(serve, tmp_path, store, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    path = tmp_path / "key"
    path.write_text(f"{KEY}-2\n")
    server = serve()
    open_chat(server, store, key_file=path).ask(ask_for())
    assert server.authorizations == {f"Bearer {KEY}-2"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read the judge's key"),
        (b"", "needs a key"),
        (b"\xff\xfe", "cannot read the judge's key"),
        (b"two words-of-a-secret", "one word"),
    ],
)
def test_wrong_key_files_are_named_and_not_shown(tmp_path, store, content, told):
    path = tmp_path / "the-key-file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=told) as caught:
        ChatService(ChatSettings(key_file=path), store)
    assert "secret" not in str(caught.value)


def test_without_a_key_nothing_is_asked(store, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        ChatService(ChatSettings(), store)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "https://"])
def test_what_is_no_address_is_refused(store, url):
    with pytest.raises(ConfigError, match="--judge-url"):
        ChatService(ChatSettings(base_url=url), store)


def test_secrets_in_the_address_are_not_part_of_the_endpoint(store):
    settings = ChatSettings(base_url="https://me:password@host:8/v1/?key=secret")
    assert ChatService(settings, store).endpoint == "https://host:8/v1"


def test_the_key_is_in_no_file(serve, tmp_path, store, capfd):
    server = serve()
    open_chat(server, store).ask(ask_for())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert store in files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(capfd.readouterr())
