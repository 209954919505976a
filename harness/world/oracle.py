"""The tiny world's judge and tagger: it knows what is in every picture.

It answers in the text formats in which the language models answer that judge the benchmarks, so
that replies are parsed as theirs are.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.types import Response, Sample, SampleId, Token
from harness.errors import DataError, JudgeError
from harness.world.asked import ORACLE_FILE, Asked, read_asked
from harness.world.claims import Claim, claims_in, context_of, holds
from harness.world.lexicon import OBJECT_OF, tagged, words_of

ONE_VALUE = frozenset({"answer", "identity", "sign", "sum"})
"""Kinds of claims of which the question decides which is right, not the scene alone."""


@dataclass(frozen=True)
class Verdict:
    """What a text states, against the scene and the true answer."""

    required: frozenset[Claim]
    """What the true answer states and the question does not yet."""
    true: frozenset[Claim]
    false: frozenset[Claim]

    @property
    def coverage(self) -> float:
        """Share of the true answer that the text states."""
        return len(self.required & self.true) / len(self.required)

    @property
    def precision(self) -> float:
        """Share of what the text states that is true; 0 if it states nothing."""
        stated = len(self.true) + len(self.false)
        return len(self.true) / stated if stated else 0.0


def weigh(text: str, asked: Asked) -> Verdict:
    """Check everything that a text states."""
    context = context_of(asked.questions)
    known = {
        Claim("present", OBJECT_OF[word]) for word in words_of(asked.text) if word in OBJECT_OF
    }
    required = claims_in(asked.answer, context) - known
    decided = {claim.kind for claim in required} & ONE_VALUE
    true: set[Claim] = set()
    false: set[Claim] = set()
    for claim in claims_in(text, context):
        if claim.kind in decided:
            (true if claim in required else false).add(claim)
        # A "yes" where nobody asked for one states nothing.
        elif claim.kind != "answer":
            (true if holds(claim, asked.scene, context) else false).add(claim)
    return Verdict(required, frozenset(true), frozenset(false))


class Oracle:
    """Judges responses by what is in the picture.

    Args:
        world: Folder of the tiny world, the one that holds `benchmarks/`.

    Raises:
        DataError: The folder lacks the oracle's own file.
    """

    name = "oracle of the tiny world"

    def __init__(self, world: Path) -> None:
        folder = world / "benchmarks"
        try:
            rows = read_asked(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder / ORACLE_FILE}: the oracle cannot read what is in the pictures "
                f"({error!r}). Delete the folder {world} and the tiny world is built again."
            ) from error
        self._asked: dict[tuple[str, SampleId], Asked] = {
            (asked.benchmark, asked.id): asked for asked in rows
        }

    def reply(
        self, benchmark: str, sample: Sample, response: Response, request: str, call: int
    ) -> str:
        """Answer as the judge of the benchmark would; `request` and `call` make no difference.

        Raises:
            JudgeError: The sample is not of the tiny world.
        """
        del request, call
        asked = self._asked.get((benchmark, sample.id))
        if asked is None or benchmark not in _REPLIES:
            raise JudgeError(
                f"the oracle knows nothing of sample {sample.id!r} of benchmark '{benchmark}'. "
                "It judges the tiny world only; choose another judge."
            )
        return _REPLIES[benchmark](asked, response.text)

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text with Penn tags and lemmas in lower case."""
        return [tagged(text) for text in texts]


def list_objects(_asked: Asked, text: str) -> str:
    """List the objects that the text mentions, as JSON."""
    return json.dumps(list(dict.fromkeys(word for word in words_of(text) if word in OBJECT_OF)))


def rate(asked: Asked, text: str) -> str:
    """Rate from 0 to 6 on MMHal-Bench's scale: how much it tells, and whether it invents.

    A text that states nothing at all gets 0: it is no answer.
    """
    verdict = weigh(text, asked)
    if not verdict.true and not verdict.false:
        return "The answer says nothing about the image.\nRating: 0"
    whole, some = verdict.coverage == 1, verdict.coverage > 0
    if verdict.false:
        rating = 2 if whole else int(some)
    else:
        rating = 6 if whole else 3 + some + (verdict.coverage >= 0.5)
    return f"{_explain(verdict)}\nRating: {rating}"


def grade_both(asked: Asked, text: str) -> str:
    """Grade the true answer and the text from 1 to 9 in half points, the true answer first."""
    verdict = weigh(text, asked)
    return f"{_grade(weigh(asked.answer, asked)):g} {_grade(verdict):g}\n{_explain(verdict)}"


def grade_correctness(asked: Asked, text: str) -> str:
    """Grade from 0.0 to 1.0: the share of the answer that is there, less what is invented."""
    verdict = weigh(text, asked)
    return f"{verdict.coverage * verdict.precision:.1f}"


def _grade(verdict: Verdict) -> float:
    """Return 1 to 9, linear in the harmonic mean of coverage and precision."""
    total = verdict.coverage + verdict.precision
    mean = 2 * verdict.coverage * verdict.precision / total if total else 0.0
    return round(2 * (1 + 8 * mean)) / 2


def _explain(verdict: Verdict) -> str:
    told = len(verdict.required & verdict.true)
    false = ", ".join(sorted(_words(claim) for claim in verdict.false))
    wrong = f"These statements are false: {false}." if false else "Nothing in it is false."
    return f"The answer tells {told} of {len(verdict.required)} facts. {wrong}"


def _words(claim: Claim) -> str:
    words = ("no" if claim.denied else "", claim.about, claim.kind, claim.value)
    return " ".join(filter(None, words))


_REPLIES: dict[str, Callable[[Asked, str], str]] = {
    "object_halbench": list_objects,
    "mmhal": rate,
    "llava_bench": grade_both,
    "mm_vet": grade_correctness,
}
