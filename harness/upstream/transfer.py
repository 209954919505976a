"""Bring one published file over HTTP: streamed, continued after breaks, patient."""

from collections.abc import Callable
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from harness.errors import DataError
from harness.files.atomic import commit
from harness.upstream.catalogue import Remote

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_PAUSE_S = 60.0

Note = Callable[[int, int | None], None]
"""Called with the bytes that are here and, where known, with how many there will be."""


class Unavailable(DataError):
    """A file cannot be had from this source now."""


class _Busy(Exception):
    """The server asked to come back later, or its answer does not continue ours."""


class Web:
    """The published addresses.

    Args:
        pause: Seconds before the first repetition; doubled after each one without a new byte.
        attempts: Attempts without a new byte after which a file is given up.
        timeout: Seconds without an answer or without data.
    """

    name = "the network"

    def __init__(self, pause: float = 1.0, attempts: int = 6, timeout: float = 60.0) -> None:
        self._client = httpx.Client(follow_redirects=True, timeout=timeout)
        self._pause, self._attempts = pause, attempts
        self._unreachable: dict[str, str] = {}

    def bring(self, remote: Remote, _places: object, partial: Path, note: Note) -> str:
        """Download to `partial`, continuing what is there, and return the final address.

        Raises:
            Unavailable: The server refuses, or stays silent for all attempts.
        """
        if remote.url is None:
            raise Unavailable("no address serves it")
        host = httpx.URL(remote.url).host
        if host in self._unreachable:
            raise Unavailable(self._unreachable[host])
        patience = _Patience(partial, self._pause, self._attempts)
        retrying = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, _Busy)),
            stop=patience.exhausted,
            wait=patience.pause,
            reraise=True,
        )
        try:
            return retrying(self._attempt, remote, remote.url, partial, note)
        except (httpx.HTTPError, httpx.InvalidURL, _Busy) as error:
            reason = f"{remote.url}: {str(error) or type(error).__name__}"
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                self._unreachable[host] = reason  # do not wait for it once per image
            raise Unavailable(reason) from error

    def _attempt(self, remote: Remote, url: str, partial: Path, note: Note) -> str:
        have = _size(partial)
        if remote.size is not None and have == remote.size:
            return url
        validator = _validator_file(partial)
        headers = {"Accept-Encoding": "identity"}
        if have and validator.exists():
            headers |= {"Range": f"bytes={have}-", "If-Range": validator.read_text("utf-8")}
        elif have and remote.sha256 is not None:  # the hash will tell whether the parts fit
            headers["Range"] = f"bytes={have}-"
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416 and _total(response) == have:
                return str(response.url)
            _write(response, partial, have, remote.size, note)
            return str(response.url)


class _Patience:
    """How long to go on: attempts that brought something new do not count."""

    def __init__(self, partial: Path, pause: float, attempts: int) -> None:
        self._partial, self._pause, self._attempts = partial, pause, attempts
        self._best, self._stalled = _size(partial), 0

    def exhausted(self, _state: RetryCallState) -> bool:
        have = _size(self._partial)
        self._stalled = 1 if have > self._best else self._stalled + 1
        self._best = max(have, self._best)
        return self._stalled >= self._attempts

    def pause(self, state: RetryCallState) -> float:
        """Return seconds to wait, as the server asks or twice as long as before."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.args[1] if isinstance(error, _Busy) else None
        return float(min(asked or self._pause * 2**self._stalled, LONGEST_PAUSE_S))


def _write(
    response: httpx.Response, partial: Path, have: int, size: int | None, note: Note
) -> None:
    """Add the body to what is here, or replace it where the server starts from the beginning."""
    if response.status_code in BUSY:
        after = response.headers.get("Retry-After", "")
        wait = float(after) if after.isdecimal() else None
        raise _Busy(f"the server answers HTTP {response.status_code}", wait)
    continues = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    if response.status_code == 416 or (response.status_code == 206 and not continues):
        discard(partial)
        raise _Busy("the server does not continue the file where it broke off", None)
    if response.status_code not in (200, 206):
        raise Unavailable(f"{response.url}: the server answers HTTP {response.status_code}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unavailable(f"{response.url}: the server sends it compressed")
    resumed = response.status_code == 206
    _keep_validator(response, partial)
    done = have if resumed else 0
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdecimal() else size
    with partial.open("ab" if resumed else "wb") as file:
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            note(done, total)
    if size is not None and done < size:
        raise httpx.RemoteProtocolError(f"the server sent {done} of {size} bytes")


def discard(partial: Path) -> None:
    """Forget a download that broke off."""
    partial.unlink(missing_ok=True)
    _validator_file(partial).unlink(missing_ok=True)


def settle(partial: Path, target: Path) -> None:
    """Move a finished download to its place, at once and durably."""
    # The part is not one of `written`: a download that breaks off is continued from it.
    target.parent.mkdir(parents=True, exist_ok=True)
    commit(partial, target)
    _validator_file(partial).unlink(missing_ok=True)


def _keep_validator(response: httpx.Response, partial: Path) -> None:
    """Remember what tells this version of the file from another one."""
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else ""
    text = strong or response.headers.get("Last-Modified", "")
    if text:
        _validator_file(partial).write_text(text, encoding="utf-8")
    else:
        _validator_file(partial).unlink(missing_ok=True)


def _validator_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _total(response: httpx.Response) -> int | None:
    _, _, total = response.headers.get("Content-Range", "").partition("/")
    return int(total) if total.isdecimal() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
