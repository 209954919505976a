"""Ask a language model: from the store if it was ever asked the same, else over the network."""

import threading
from pathlib import Path
from time import monotonic
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from harness.errors import JudgeError
from harness.files.cache import cache_dir
from harness.llm.budget import Budget, Spent
from harness.llm.messages import ChatReply, ChatRequest, ChatSettings, printable
from harness.llm.reading import PassingError, read_reply
from harness.llm.store import ReplyStore
from harness.llm.wire import UnsupportedParameter, Wire, parameters

__all__ = ["ChatReply", "ChatRequest", "ChatService", "ChatSettings", "Spent", "default_store"]


def default_store() -> Path:
    """Return the file of replies that all runs of this user share."""
    return cache_dir() / "replies.sqlite"


class ChatService:
    """Language models behind one endpoint; thread-safe.

    Args:
        settings: How to reach it and what may be spent.
        store: File of the replies.

    Raises:
        ConfigError: There is no key, or the address is none.
        DataError: The store is damaged.
    """

    def __init__(self, settings: ChatSettings, store: Path) -> None:
        self.settings = settings
        self._wire = Wire(settings)
        self._store = ReplyStore(store)
        self._budget = Budget(settings.max_calls, settings.max_tokens)
        self._stopped = threading.Event()
        self._backoff = wait_random_exponential(multiplier=0.5, max=settings.longest_wait)
        self._pace = threading.Lock()
        self._turn = 0.0

    @property
    def endpoint(self) -> str:
        """Address of the service, without secrets."""
        return self._wire.endpoint

    @property
    def spent(self) -> Spent:
        """What this process paid and recalled until now."""
        return self._budget.spent

    def known(self, request: ChatRequest) -> ChatReply | None:
        """Return the reply if it was paid for before, and count nothing."""
        return self._store.recall(self.endpoint, request)

    def ask(self, request: ChatRequest) -> ChatReply:
        """Return the reply from the store, or ask for it and store it.

        Raises:
            JudgeError: The call failed for good, another model answered, or the budget is spent.
        """
        reply = self._recalled(request)
        if reply is not None:
            return reply
        with self._store.claimed(self.endpoint, request, self._wait):
            # Whoever held the claim before may have paid.
            return self._recalled(request) or self._pay(request)

    def forget(self, request: ChatRequest) -> None:
        """Drop the stored reply, so that the request is asked anew."""
        self._store.forget(self.endpoint, request)

    def sent(self, request: ChatRequest) -> dict[str, Any]:
        """Return the parameters with which a request goes out, as far as is known by now."""
        return parameters(request, self._store.refused(self.endpoint, request.model))

    def stop(self) -> None:
        """Start no further try in any thread; calls in flight end and are stored."""
        self._stopped.set()

    def _recalled(self, request: ChatRequest) -> ChatReply | None:
        reply = self.known(request)
        if reply is not None:
            self._budget.recalled()
        return reply

    def _pay(self, request: ChatRequest) -> ChatReply:
        attempts = self.settings.attempts
        retrying = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_after_attempt(attempts),
            wait=self._pause,
            sleep=self._wait,
            reraise=True,
        )
        try:
            reply = retrying(self._try, request)
        except PassingError as error:
            raise JudgeError(
                f"model {request.model!r} at {self.endpoint} could not be reached in {attempts} "
                f"attempts (last: {error})."
            ) from error
        self._store.put(self.endpoint, request, reply)
        return reply

    def _try(self, request: ChatRequest) -> ChatReply:
        with self._budget.reserved(request.estimated_tokens) as bill:
            self._wait(self._until_turn(request))  # stopped while the budget was waited for
            body = self._post(request)
            # Answered is billed, whatever it says.
            bill.calls = 1
            reply = read_reply(body, request)
            bill.tokens = reply.tokens
        if not request.profile.accepts(request.model, reply.model):
            name = printable(reply.model)
            raise JudgeError(
                f"asked model {request.model!r} at {self.endpoint}, but {name!r} answered. "
                f"Ask for it by its exact name, as a judge by openai:{name}, or allow the name "
                "with `served: any` in a judge profile."
            )
        return reply

    def _post(self, request: ChatRequest) -> bytes:
        """Ask without the parameters that the model does not take; learn which these are."""
        while True:
            refused = self._store.refused(self.endpoint, request.model)
            try:
                return self._wire.post(request, refused)
            except UnsupportedParameter as error:
                self._store.learn(self.endpoint, request.model, error.parameter)

    def _until_turn(self, request: ChatRequest) -> float:
        """Return the seconds to wait where the service allows so many requests a minute."""
        rate = request.profile.requests_per_minute
        if rate is None:
            return 0
        with self._pace:
            now = monotonic()
            turn = max(now, self._turn)
            self._turn = turn + 60 / rate
        return turn - now

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds until the next try: longer and longer, and as the service asks."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, PassingError) else 0.0
        return min(max(asked, self._backoff(state)), self.settings.longest_wait)

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise JudgeError("stopped before the model answered.")
