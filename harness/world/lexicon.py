"""Every word of the tiny world: its tag, its lemma and what it stands for."""

import re

from benchmarks.types import Token
from harness.world.language import PLURALS, PURPOSES, SOUNDS, USES
from harness.world.scenes import COLOURS, GROUPS, OBJECTS, POSES, POSITIONS, SIZES

OBJECT_OF: dict[str, str] = {plural: name for name, plural in PLURALS.items()} | {
    name: name for name in OBJECTS
}
"""Singular or plural -> the object."""
NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
)
"""By their value; the sum of two signs is 18 at most."""

TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")

_TAGS: dict[str, str] = {
    **dict.fromkeys(("a", "an", "the", "this", "that", "no", "some", "any"), "DT"),
    **dict.fromkeys(("in", "of", "with", "for", "on", "at", "than", "without"), "IN"),
    **dict.fromkeys(("is", "says", "has", "does"), "VBZ"),
    **dict.fromkeys(("are", "say", "do", "know", "see", "come"), "VBP"),
    **dict.fromkeys(("it", "they", "i", "you"), "PRP"),
    **dict.fromkeys(("also", "nearby", "here", "not"), "RB"),
    **dict.fromkeys(("what", "which"), "WDT"),
    **dict.fromkeys(("where", "how", "why"), "WRB"),
    **dict.fromkeys((*COLOURS, *SIZES, "same", "many"), "JJ"),
    **dict.fromkeys((*POSES, *USES.values()), "VBG"),
    **dict.fromkeys(SOUNDS.values(), "VBZ"),
    **dict.fromkeys(PURPOSES.values(), "VB"),
    **dict.fromkeys((*POSITIONS, *GROUPS), "NN"),
    **dict.fromkeys(NUMBER_WORDS, "CD"),
    **dict.fromkeys(("yes",), "UH"),
    **dict.fromkeys(("and", "or"), "CC"),
    **dict.fromkeys(("there",), "EX"),
    **dict.fromkeys(("to",), "TO"),
    **dict.fromkeys(("larger",), "JJR"),
    **dict.fromkeys(("people", "signs"), "NNS"),
    **dict.fromkeys((plural for name, plural in PLURALS.items() if plural != name), "NNS"),
    **dict.fromkeys(OBJECTS, "NN"),
}
_LEMMAS = OBJECT_OF | {
    "signs": "sign",
    "is": "be",
    "are": "be",
    "says": "say",
    "has": "have",
    "does": "do",
    "larger": "large",
}
_MARKS = {",": ",", ".": ".", "!": ".", "?": "."}


def words_of(text: str) -> list[str]:
    """Return words and punctuation marks in lower case."""
    return TOKEN.findall(text.lower())


def tagged(text: str) -> list[Token]:
    """Return tokens with Penn tags; an unknown word is a noun, as a tagger would guess."""
    return [_token(word) for word in TOKEN.findall(text)]


def _token(word: str) -> Token:
    lower = word.lower()
    if lower in _TAGS:
        return Token(word, _TAGS[lower], _LEMMAS.get(lower, lower))
    if lower.isdecimal():
        return Token(word, "CD", lower)
    if TOKEN.fullmatch(word) and (word[0].isalnum() or word[0] == "_"):
        return Token(word, "NN", lower)
    return Token(word, _MARKS.get(word, ":"), word)


def number_in(word: str) -> int | None:
    """Return the value of a number, in digits or as a word."""
    if word in NUMBER_WORDS:
        return NUMBER_WORDS.index(word)
    # Longer ones are no number of this world, and Python refuses very long ones.
    return int(word) if word.isdecimal() and len(word) < 5 else None
