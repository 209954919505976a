"""The file of replies: shared by processes, robust against damage and death."""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from chat_server import ask_for

from harness.errors import DataError
from harness.llm.messages import ChatReply
from harness.llm.store import ReplyStore

URL = "http://host/v1"
REPLY = ChatReply("text \x00 ✓", "model-1", 3, 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "replies.sqlite"


def test_what_is_put_is_recalled_by_another_store(path):
    ReplyStore(path).put(URL, ask_for(), REPLY)
    assert ReplyStore(path).recall(URL, ask_for()) == REPLY
    assert ReplyStore(path).recall(URL, ask_for(repeat=1)) is None
    assert ReplyStore(path).recall("http://other/v1", ask_for()) is None


def test_the_first_reply_stays(path):
    store = ReplyStore(path)
    store.put(URL, ask_for(), REPLY)
    store.put(URL, ask_for(), ChatReply("other", "model-1", 0, 0))
    assert store.recall(URL, ask_for()) == REPLY


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_store_is_named(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"replies\.sqlite: cannot use .* move it away"):
        ReplyStore(path)
    assert path.read_bytes() == content


def test_a_damaged_row_is_named(path):
    store = ReplyStore(path)
    store.put(URL, ask_for(), REPLY)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE replies SET reply = '{\"text\": 1'")
    with pytest.raises(DataError, match="cannot use this store"):
        store.recall(URL, ask_for())


def test_another_database_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(DataError, match="version 0"):
        ReplyStore(path)


def _write_some(path: Path, who: int) -> None:
    store = ReplyStore(path)
    for number in range(20):
        store.put(URL, ask_for(f"{who}", repeat=number), REPLY)


def test_processes_write_at_the_same_time(path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_some, args=(path, who)) for who in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = ReplyStore(path)
    assert all(store.recall(URL, ask_for(f"{i % 4}", repeat=i // 4)) for i in range(80))


def _claim_and_hang(path: Path, held) -> None:
    with ReplyStore(path).claimed(URL, ask_for(), time.sleep):
        held.set()
        time.sleep(60)


def test_the_claim_of_a_killed_process_is_free_at_once(path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    worker = context.Process(target=_claim_and_hang, args=(path, held))
    worker.start()
    assert held.wait(20)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
        assert len(waits) < 10
        time.sleep(seconds)

    with ReplyStore(path).claimed(URL, ask_for(), wait):
        assert len(waits) >= 3


def _put_by_threads(store, count):
    """Replies of several threads, all of which wait for the one that writes."""
    failures = []

    def put(number):
        try:
            store.put(URL, ask_for(repeat=number), REPLY)
        except DataError as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(count)]
    with store._lock:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 20
        while len(store._waiting) < count:
            assert time.monotonic() < until
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    return failures


def test_threads_that_wait_are_written_for_by_one(path):
    store = ReplyStore(path)
    statements = []
    store._database.set_trace_callback(statements.append)
    assert _put_by_threads(store, 6) == []
    assert statements.count("COMMIT") == 1
    assert all(ReplyStore(path).recall(URL, ask_for(repeat=number)) for number in range(6))


def test_what_cannot_be_written_is_told_to_every_thread_and_lost_to_none(path):
    store = ReplyStore(path)
    store._database.execute("PRAGMA query_only = 1")
    assert len(_put_by_threads(store, 3)) == 3
    store._database.execute("PRAGMA query_only = 0")
    store.put(URL, ask_for(repeat=3), REPLY)
    assert all(ReplyStore(path).recall(URL, ask_for(repeat=number)) for number in range(4))
