"""Keep a judge from going on that nobody can read, that refuses, or that is another by now."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from benchmarks.types import FAILED_CALL, LLMJudge, Response, Sample
from harness.errors import JudgeError
from harness.evaluation.judging.judge import two_judges
from harness.evaluation.judging.replies import Replies
from harness.llm.messages import ChatSettings, printable

Answered = tuple[tuple[Sample, Response], Replies]


def state_of(annotator: LLMJudge, answer: Replies) -> Literal["readable", "unreadable", "refused"]:
    """Tell what a judge's replies about one answer are worth."""
    if any(map(annotator.readable, answer.judge)):
        return "readable"
    return "refused" if FAILED_CALL in answer.judge[-1:] else "unreadable"


class Watch:
    """Looks at the replies of one judge about the answers to one benchmark, as they come.

    Unreadable replies among the first are held back until the first are over. If there are too
    many, they are dropped, so that the same command asks a repaired judge anew.

    Args:
        settings: The bounds.
        annotator: What the benchmark asks.
        total: How many answers are judged, those before among them.
        before: Replies that earlier calls of the command got.
        forget: Drops what is stored about an answer.
    """

    def __init__(
        self,
        settings: ChatSettings,
        annotator: LLMJudge,
        total: int,
        before: Sequence[Replies],
        forget: Callable[[tuple[Sample, Response]], None],
    ) -> None:
        self._settings, self._annotator, self._total = settings, annotator, total
        self._forget = forget
        self._by = next((one.by for one in before if one.by), "")
        self._judged, self._refused = len(before), 0
        self._unreadable = sum(state_of(annotator, one) == "unreadable" for one in before)
        # None once the first are over: nothing is held back any more.
        self._held: list[Answered] | None = None if settings.first_is_over(len(before)) else []

    def kept(self, pair: tuple[Sample, Response], answer: Replies) -> Iterator[Answered]:
        """Yield the answers that may be kept, now that another came.

        Raises:
            JudgeError: The judge is not to be asked further.
        """
        self._by = self._by or answer.by
        if answer.by and answer.by != self._by:
            raise two_judges(self._by, answer.by)
        state = state_of(self._annotator, answer)
        self._judged += 1
        self._refused += state == "refused"
        if self._refused > self._settings.max_unjudged:
            raise JudgeError(
                f"the service refused to judge {self._refused} answers, the last that of sample "
                f"{pair[0].id!r}. --max-unjudged {self._refused + 10} goes on without them: they "
                "are left out, and there is no official number."
            )
        if state == "unreadable" and self._held is not None:
            self._unreadable += 1
            self._held.append((pair, answer))
        else:
            yield pair, answer
        self._look()
        if self._settings.first_is_over(self._judged):
            yield from self.rest()

    def rest(self) -> Iterator[Answered]:
        """Yield what was held back."""
        yield from self._held or ()
        self._held = None

    def _look(self) -> None:
        if self._held is None or not self._settings.too_unreadable(
            self._unreadable, self._judged, self._total
        ):
            return
        last = self._held[-1][1].judge
        for pair, _ in self._held:
            self._forget(pair)
        self._held = None
        raise JudgeError(
            f"{self._unreadable} of the first {self._judged} replies cannot be read, the last: "
            f"{shown(last)}. A model that thinks aloud or takes other parameters needs a judge "
            "profile (--judge-profile, see docs/judges.md). These replies are dropped; the same "
            "command asks anew. --stop-unreadable says when to stop."
        )


def shown(replies: Sequence[str]) -> str:
    """Return the last reply in a few words."""
    text = printable(replies[-1]) if replies else ""
    return repr(text) if text else "an empty one"
