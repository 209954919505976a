"""Replies that were paid for, in one SQLite file that several processes may share.

Every reply stands under a hash of all that went in. A request that somebody is asking just now is
claimed by a file lock, which the kernel frees when its owner dies.
"""

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from harness.errors import DataError
from harness.files.digests import text_digest
from harness.files.locks import FileLock
from harness.llm.messages import ChatReply, ChatRequest
from harness.llm.profiles import OFFICIAL

BUSY_S = 60.0
"""Seconds to wait for another process that is writing."""
POLL_S = 0.02
"""Seconds between two looks at a claim that somebody else holds."""
VERSION = 1


class ReplyStore:
    """Replies by request; thread-safe.

    Args:
        path: The file, made when it is not there. It must lie on a local disk.

    Raises:
        DataError: The file is damaged or something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._claims = path.with_name(f"{path.name}.claims")
        self._claims.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        # Two processes that both turn a new file into a WAL one would refuse each other.
        with FileLock(self._claims / "open.lock"), self._readable():
            self._database = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
            self._prepare()
            # Who reads does not wait for the disk of who writes.
            self._reader = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False)
        self._reading = threading.Lock()
        self._waiting: list[tuple[str, str, str]] = []
        self._queue = threading.Lock()

    def _prepare(self) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version != VERSION and (version or tables):
            raise DataError(
                f"{self.path}: a store of version {version}, not {VERSION}. "
                "Move it away to start a new one."
            )
        self._database.execute("PRAGMA journal_mode=WAL")
        # A reply that was paid for outlives a power cut.
        self._database.execute("PRAGMA synchronous=FULL")
        with self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, request TEXT NOT NULL, "
                "reply TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
            )
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS refused (endpoint TEXT NOT NULL, model TEXT NOT NULL, "
                "parameter TEXT NOT NULL, PRIMARY KEY (endpoint, model, parameter))"
            )
            self._database.execute(f"PRAGMA user_version={VERSION}")

    def recall(self, endpoint: str, request: ChatRequest) -> ChatReply | None:
        """Return the stored reply to a request, or None.

        Raises:
            DataError: The file is damaged.
        """
        with self._reading, self._readable():
            row = self._reader.execute(
                "SELECT reply FROM replies WHERE key = ?", (key_of(endpoint, request),)
            ).fetchone()
            return None if row is None else ChatReply(**json.loads(row[0]))

    def put(self, endpoint: str, request: ChatRequest, reply: ChatReply) -> None:
        """Keep a reply; it is on disk when this returns."""
        values = (
            key_of(endpoint, request),
            json.dumps(_parts(endpoint, request)),
            json.dumps(dataclasses.asdict(reply)),
        )
        with self._queue:
            self._waiting.append(values)
        with self._lock, self._readable():
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write what all threads wait for at once: forcing it to the disk takes milliseconds.

        A thread that finds nothing left was written for by another. What cannot be written waits
        on, so that every thread that waits for it is told.
        """
        with self._queue:
            values, self._waiting = self._waiting, []
        if not values:
            return
        try:
            with self._database:
                self._database.executemany(
                    "INSERT OR IGNORE INTO replies (key, request, reply) VALUES (?, ?, ?)", values
                )
        except BaseException:
            with self._queue:
                self._waiting = [*values, *self._waiting]
            raise

    def forget(self, endpoint: str, request: ChatRequest) -> None:
        """Drop the reply to a request, so that it is asked anew."""
        with self._lock, self._readable(), self._database:
            self._database.execute(
                "DELETE FROM replies WHERE key = ?", (key_of(endpoint, request),)
            )

    def refused(self, endpoint: str, model: str) -> frozenset[str]:
        """Return the parameters that a model is known not to take."""
        with self._reading, self._readable():
            rows = self._reader.execute(
                "SELECT parameter FROM refused WHERE endpoint = ? AND model = ?", (endpoint, model)
            )
            return frozenset(parameter for (parameter,) in rows)

    def learn(self, endpoint: str, model: str, parameter: str) -> None:
        """Remember that a model does not take a parameter."""
        with self._lock, self._readable(), self._database:
            self._database.execute(
                "INSERT OR IGNORE INTO refused VALUES (?, ?, ?)", (endpoint, model, parameter)
            )

    @contextmanager
    def claimed(
        self, endpoint: str, request: ChatRequest, wait: Callable[[float], object]
    ) -> Iterator[None]:
        """Keep all other threads and processes from asking the same until the block ends.

        Args:
            endpoint: Whom to ask.
            request: What to ask.
            wait: Sleeps for some seconds; may raise to give up.
        """
        # Claims share 4096 files, so that two requests seldom wait for one another in vain.
        lock = FileLock(self._claims / f"{key_of(endpoint, request)[:3]}.lock")
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                wait(POLL_S)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise DataError(
                f"{self.path}: cannot use this store of replies ({error}). If another program "
                "holds it, wait for that; if it is damaged, move it away, and what it held is "
                "asked anew."
            ) from error


def key_of(endpoint: str, request: ChatRequest) -> str:
    """Return a hash of everything that decides a reply."""
    return text_digest(json.dumps(_parts(endpoint, request)))


def _parts(endpoint: str, request: ChatRequest) -> dict[str, Any]:
    # Not by `asdict`, which copies the profile with all that is in it, several times a request.
    parts = {"endpoint": endpoint} | {
        name: getattr(request, name)
        for name in ("model", "messages", "temperature", "max_tokens", "repeat")
    }
    # The replies of the published scripts' models have names that are older than profiles.
    if request.profile is OFFICIAL or request.profile.decisive() == OFFICIAL.decisive():
        return parts
    return parts | {"profile": request.profile.decisive()}
