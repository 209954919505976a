"""One try over the network: a request goes out, a checked reply or a named failure comes back.

The only file that imports openai, and the only one that knows the key.
"""

import os
import re
import threading
from collections.abc import Iterable, Set
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from harness.errors import ConfigError, JudgeError, RefusedRequest, in_words
from harness.llm.messages import ChatRequest, ChatSettings, well_formed
from harness.llm.profiles import LIMITS, Profile
from harness.llm.reading import PassingError

if TYPE_CHECKING:
    from openai import APIStatusError, Omit, OpenAI

OPENAI_URL = "https://api.openai.com/v1"
SHOWN = 300
"""Characters of a service's own words in a message."""
LARGEST = 2**24
"""Bytes of an answer, at most: 16 MiB."""
NO_CREDIT = "insufficient_quota"
"""What OpenAI calls an empty account; it comes with the status of a rate limit."""
ABOUT_ONE = (400, 413, 422)
"""Statuses that say something about one request, and nothing about the next."""
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unrecognized|unknown|not permitted|not allowed|forbidden|unexpected"
)


class UnsupportedParameter(Exception):
    """The service does not take one of the parameters that were sent."""

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter)
        self.parameter = parameter


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

        self._clients: dict[tuple[str, str], OpenAI] = {}
        self._lock = threading.Lock()

    def post(self, request: ChatRequest, refused: Set[str] = frozenset()) -> bytes:
        """Return the body of the answer with status 200.

        Args:
            request: What to ask.
            refused: Parameters that the service is known not to take.

        Raises:
            PassingError: The network or the service failed.
            UnsupportedParameter: The service does not take a parameter.
            RefusedRequest: The service refused this request.
            JudgeError: The service refuses every request.
        """
        import openai

        sent = parameters(request, refused)
        create: Any = self._client(request).chat.completions.with_streaming_response.create
        try:
            with create(
                model=request.model,
                messages=[
                    {"role": role, "content": well_formed(content)}
                    for role, content in request.messages
                ],
                # The client knows the parameters by name; a server takes others too.
                extra_body=sent,
                extra_headers=self._key_headers(request.profile),
            ) as answer:
                return self._body(answer.iter_bytes())
        except openai.APIStatusError as error:
            raise self._told(error, request.model, sent.keys()) from error
        except PassingError:
            raise
        except Exception as error:
            # While a body comes in, failures are those of the HTTP library, which one depends on
            # the version of openai.
            raise PassingError(type(error.__cause__ or error).__name__) from error

    def _key_headers(self, profile: Profile) -> "dict[str, str | Omit]":
        """Return the header of the key where it is not the usual one."""
        import openai

        if profile.key_header is None:
            return {}
        return {profile.key_header: self._key, "Authorization": openai.Omit()}

    def _client(self, request: ChatRequest) -> "OpenAI":
        """Return the client for a profile and what it makes of a model's address."""
        import openai

        profile = request.profile
        path = profile.path.format(model=quote(request.model, safe=""))
        with self._lock:
            if (profile.name, path) not in self._clients:
                self._clients[profile.name, path] = openai.OpenAI(
                    api_key=self._key,
                    base_url=f"{self._url.rstrip('/')}/{path}" if path else self._url,
                    timeout=self._timeout,
                    default_query=profile.query or None,
                    default_headers=profile.sent_headers(),
                    max_retries=0,  # tries are counted in one place, by the service
                )
            return self._clients[profile.name, path]

    def _body(self, parts: Iterable[bytes]) -> bytes:
        """Join the parts of a body that neither trickles in for ever nor never ends."""
        body, deadline = bytearray(), monotonic() + self._timeout
        for part in parts:
            body += part
            if len(body) > LARGEST or monotonic() > deadline:
                raise PassingError("an answer without end")
        return bytes(body)

    def _told(self, error: "APIStatusError", model: str, sent: Set[str]) -> Exception:
        """Translate a status: busy and broken services are asked again, others are not."""
        status = error.status_code
        if status >= 500 or (status == 429 and error.code != NO_CREDIT):
            return PassingError(f"HTTP {status}", _asked_wait(error.response.headers))
        if status in ABOUT_ONE and (parameter := _refused(error, sent)):
            return UnsupportedParameter(parameter)
        told = (
            f"model {model!r} at {self.endpoint} refused the request with HTTP {status}: "
            f"{self._shown(error.message)}"
        )
        if status in ABOUT_ONE:
            return RefusedRequest(told)
        return JudgeError(f"{told}{_ADVICE.get(status, '')}")

    def _shown(self, text: str) -> str:
        """Return words of the service without the key and without control characters."""
        words = "".join(c if c.isprintable() else " " for c in text.replace(self._key, "[key]"))
        return words[:SHOWN]


def parameters(request: ChatRequest, refused: Set[str] = frozenset()) -> dict[str, Any]:
    """Return what is sent besides model and messages, without what the service does not take."""
    profile = request.profile
    sent: dict[str, Any] = {}
    if profile.temperature != "not_sent":
        asked = profile.temperature == "as_asked"
        sent["temperature"] = request.temperature if asked else profile.temperature
    if request.limit is not None and profile.limit is not None:
        names = dict.fromkeys((profile.limit, *LIMITS))
        sent |= dict.fromkeys([name for name in names if name not in refused][:1], request.limit)
    return {name: value for name, value in (sent | profile.body).items() if name not in refused}


def _refused(error: "APIStatusError", sent: Set[str]) -> str | None:
    """Return the parameter that a service says it does not take; None where it says no such."""
    words = error.message.lower()
    named = error.param if isinstance(error.param, str) else ""
    if not (_UNSUPPORTED.search(words) or str(error.code).startswith("unsupported")):
        return None
    if (first := named.partition(".")[0]) in sent:
        return first
    return next((name for name in sent if re.search(rf"\b{name}\b", words)), None)


_ADVICE = {
    401: " Look at the key: OPENAI_API_KEY or --judge-key-file.",
    403: " This key may not use the model: choose another, as a judge by openai:MODEL.",
    404: " The models that the published scripts name are switched off. Choose one that is there, "
    "as a judge by openai:MODEL or local:MODEL, or take `later`; see docs/judges.md.",
}


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
