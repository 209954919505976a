"""What may be spent, and what was: counted over all threads of one process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.errors import JudgeError


@dataclass(frozen=True)
class Spent:
    """Calls and tokens so far."""

    calls: int = 0
    """Calls that the service answered, usable or not: those are billed."""
    tokens: int = 0
    """Tokens of the usable replies, as the service counts them."""
    recalled: int = 0
    """Requests answered from the store."""


@dataclass
class Bill:
    """What one try turned out to cost."""

    calls: int = 0
    tokens: int = 0


class Budget:
    """Limits on calls and tokens that calls in flight cannot break together.

    Every try reserves the most it may take. When the rest does not suffice it waits for calls in
    flight, which mostly take less than they reserved.
    """

    def __init__(self, max_calls: int | None, max_tokens: int | None) -> None:
        self._max_calls, self._max_tokens = max_calls, max_tokens
        self._changed = threading.Condition()
        self._spent = Spent()
        self._flying_calls = self._flying_tokens = 0

    @property
    def spent(self) -> Spent:
        """What was spent until now."""
        with self._changed:
            return self._spent

    def recalled(self) -> None:
        """Count a request that cost nothing."""
        with self._changed:
            self._spent = replace(self._spent, recalled=self._spent.recalled + 1)

    @contextmanager
    def reserved(self, tokens: int) -> Iterator[Bill]:
        """Reserve one call of at most `tokens`; the block fills in the bill.

        Raises:
            JudgeError: The budget does not allow the call.
        """
        with self._changed:
            while not self._fits(tokens):
                if not self._flying_calls:
                    raise JudgeError(self._refusal(tokens))
                self._changed.wait()
            self._flying_calls += 1
            self._flying_tokens += tokens
        bill = Bill()
        try:
            yield bill
        finally:
            with self._changed:
                self._flying_calls -= 1
                self._flying_tokens -= tokens
                self._spent = replace(
                    self._spent,
                    calls=self._spent.calls + bill.calls,
                    tokens=self._spent.tokens + bill.tokens,
                )
                self._changed.notify_all()

    def _fits(self, tokens: int) -> bool:
        calls = self._spent.calls + self._flying_calls + 1
        used = self._spent.tokens + self._flying_tokens + tokens
        return (self._max_calls is None or calls <= self._max_calls) and (
            self._max_tokens is None or used <= self._max_tokens
        )

    def _refusal(self, tokens: int) -> str:
        limits = [
            f"{limit} {unit}"
            for limit, unit in ((self._max_calls, "calls"), (self._max_tokens, "tokens"))
            if limit is not None
        ]
        return (
            f"the budget of {' and '.join(limits)} does not allow another call of about {tokens} "
            f"tokens: {self._spent.calls} calls with {self._spent.tokens} tokens are paid."
        )
