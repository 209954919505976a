"""How long a check may take: what there is no time for is left out and said so."""

import time
from collections.abc import Callable

NO_TIME = "no time left"


class Clock:
    """Seconds that are left for some part of the check."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._end = now() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end; negative after it."""
        return self._end - self._now()

    @property
    def over(self) -> bool:
        """Whether nothing more may begin."""
        return self.left <= 0

    def part(self, share: float) -> "Clock":
        """Return a clock for that share of what is left."""
        return Clock(share * max(self.left, 0.0), self._now)
