"""One try over the network: a request goes out, a checked reply or a named failure comes back.

The only file that imports openai, and the only one that knows the key.
"""

import json
import os
import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from functools import cached_property
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import ConfigError, JudgeError, in_words
from harness.llm.messages import (
    ChatReply,
    ChatRequest,
    ChatSettings,
    estimated_tokens,
    well_formed,
)

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
SHOWN = 300
"""Characters of a service's own words in a message."""
LARGEST = 2**24
"""Bytes of an answer, at most: 16 MiB."""
NO_CREDIT = "insufficient_quota"
"""What OpenAI calls an empty account; it comes with the status of a rate limit."""


class PassingError(Exception):
    """A failure that may be over at the next try.

    Args:
        reason: What happened, in a few words.
        wait: Seconds that the service asks to wait.
    """

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


class Wire:
    """A connection to one endpoint; thread-safe.

    Raises:
        ConfigError: There is no key, or the address is none.
    """

    def __init__(self, settings: ChatSettings) -> None:
        self._key = _key(settings)
        self._timeout = settings.timeout
        self._url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "a model's address must look like https://host/v1. Set --judge-url or "
                "OPENAI_BASE_URL."
            )
        # Without name, password and query, which may be secrets.
        host = parts.netloc.rpartition("@")[2]
        self.endpoint = f"{parts.scheme}://{host}{parts.path}".rstrip("/")

    @cached_property
    def _client(self) -> "OpenAI":
        from openai import OpenAI

        # Tries are counted in one place, by the service.
        return OpenAI(api_key=self._key, base_url=self._url, timeout=self._timeout, max_retries=0)

    def post(self, request: ChatRequest) -> bytes:
        """Return the body of the answer with status 200.

        Raises:
            PassingError: The network or the service failed.
            JudgeError: The service refused the request.
        """
        import openai

        limit = {} if request.max_tokens is None else {"max_tokens": request.max_tokens}
        create: Any = self._client.chat.completions.with_streaming_response.create
        try:
            with create(
                model=request.model,
                messages=[
                    {"role": role, "content": well_formed(content)}
                    for role, content in request.messages
                ],
                temperature=request.temperature,
                **limit,
            ) as answer:
                return self._body(answer.iter_bytes())
        except openai.APIStatusError as error:
            raise self._told(error, request.model) from error
        except PassingError:
            raise
        except Exception as error:
            # While a body comes in, failures are those of the HTTP library, which one depends on
            # the version of openai.
            raise PassingError(type(error.__cause__ or error).__name__) from error

    def _body(self, parts: Iterable[bytes]) -> bytes:
        """Join the parts of a body that neither trickles in for ever nor never ends."""
        body, deadline = bytearray(), monotonic() + self._timeout
        for part in parts:
            body += part
            if len(body) > LARGEST or monotonic() > deadline:
                raise PassingError("an answer without end")
        return bytes(body)

    def _told(self, error: "APIStatusError", model: str) -> PassingError | JudgeError:
        """Translate a status: busy and broken services are asked again, others are not."""
        status = error.status_code
        if status >= 500 or (status == 429 and error.code != NO_CREDIT):
            return PassingError(f"HTTP {status}", _asked_wait(error.response.headers))
        return JudgeError(
            f"model {model!r} at {self.endpoint} refused the request with HTTP {status}: "
            f"{self._shown(error.message)}"
        )

    def _shown(self, text: str) -> str:
        """Return words of the service without the key and without control characters."""
        words = "".join(c if c.isprintable() else " " for c in text.replace(self._key, "[key]"))
        return words[:SHOWN]


def read_reply(body: bytes, request: ChatRequest) -> ChatReply:
    """Return the reply in the body of an answer, whoever gave it.

    An answer that says it is finished and holds no text is an empty reply. Tokens that the
    service does not count are estimated.

    Raises:
        PassingError: The body is not an answer: cut off, garbled, or without a choice.
    """
    try:
        answer = json.loads(body.decode("utf-8"))
        choice, model = answer["choices"][0], answer["model"]
        text, finish = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise PassingError(f"an answer that cannot be read: {type(error).__name__}") from error
    if text is None and isinstance(finish, str):
        text = ""
    if not isinstance(text, str) or not isinstance(model, str):
        raise PassingError("an answer without text or model")
    text = well_formed(text)
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    asked = estimated_tokens(*(content for _, content in request.messages))
    return ChatReply(
        text=text,
        model=model,
        prompt_tokens=_count(counts.get("prompt_tokens"), asked),
        completion_tokens=_count(counts.get("completion_tokens"), estimated_tokens(text)),
    )


def _count(value: Any, estimate: int) -> int:
    return value if type(value) is int and value >= 0 else estimate


def _asked_wait(headers: Any) -> float:
    """Return the seconds in Retry-After, a number or a date; zero where there are none."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time(), 0)
    except ValueError:
        return 0


def _key(settings: ChatSettings) -> str:
    """Return the key; no message shows it."""
    if settings.key_file is None:
        key, source = os.environ.get("OPENAI_API_KEY", "").strip(), "OPENAI_API_KEY"
    else:
        source = str(settings.key_file)
        try:
            key = settings.key_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{source}: cannot read the judge's key ({in_words(error)}). Give "
                "--judge-key-file a file that holds the key alone."
            ) from None
    if not key:
        raise ConfigError(
            "judge 'openai' needs a key. Set OPENAI_API_KEY or --judge-key-file (a server of "
            "your own takes any word), or take the judge replay:FILE."
        )
    if not re.fullmatch(r"[!-~]+", key):
        raise ConfigError(f"{source}: the judge's key must be one word of ASCII characters.")
    return key
