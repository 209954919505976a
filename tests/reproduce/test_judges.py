"""A judge that cannot judge stops `reproduce` before anything is trained; another goes on."""

import pytest
import todays_servers as behave
from called import Called
from todays_servers import TodaysServer

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


@pytest.fixture
def serve(monkeypatch):
    servers = []
    monkeypatch.setenv("OPENAI_API_KEY", "any")

    def start(behaviour, says="0.5"):
        servers.append(TodaysServer(behaviour, lambda _: says))
        return f"--judge-url={servers[-1].url}"

    yield start
    for server in servers:
        server.close()


def test_a_judge_is_tried_before_anything_is_trained_and_may_come_later(
    tmp_path, serve, monkeypatch
):
    # Replies are stored by address, and a port may have been another test's.
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    called = Called(tmp_path)
    (called.lab.data / "mm_vet" / "judge_prompt.txt").write_text("Table")
    asked = {"evaluation__judge": "openai:gpt-5-mini"}
    ended = called.reproduce(serve(behave.retired), code=1, **asked)
    assert "switched off" in ended.stderr
    assert not called.runs(), "trained"
    assert not called.made("runs/*/responses/*"), "answered"

    called.reproduce(evaluation__judge="later")
    trained = called.made("runs/dpo-*/model/model.safetensors")
    answered = called.made("runs/*/responses/*.jsonl")
    assert trained
    assert answered
    ended = called.reproduce(serve(behave.gpt_5), **asked)
    assert "gpt-5-mini (gpt-5-mini-2025-08-07) instead of gpt-4-0613" in "".join(
        file.read_text() for file in called.lab.out.glob("tables/*.md")
    )
    assert "50.0" in ended.stdout
    assert called.made("runs/dpo-*/model/model.safetensors") == trained
    assert called.made("runs/*/responses/*.jsonl") == answered
