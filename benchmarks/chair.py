"""CHAIR: which objects a text mentions, and which of them an image lacks.

Source: arXiv:1809.02156; word rules as in RLAIF-V, eval/eval_gpt_obj_halbench.py at 83d917b.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.plurals import lemma, words_of
from benchmarks.types import Rounding

ANIMALS = (
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "animal",
    "cub",
)


@dataclass(frozen=True)
class Vocabulary:
    """Words that count as mentions of an object class."""

    classes: Mapping[str, str]
    """Word or pair of words -> class."""
    pairs: Mapping[str, str]
    """Two words in a row -> the word they are read as."""
    parts: frozenset[str]
    """Single words of both, for finding singulars."""


@dataclass(frozen=True)
class Mentions:
    """What one response mentions, measured against its image."""

    words: tuple[str, ...]
    """Mentioned words of the vocabulary, in order."""
    hallucinated: tuple[str, ...]
    """Those whose class the image lacks."""
    found: frozenset[str]
    """Classes of the image that are mentioned."""
    present: frozenset[str]
    """Classes in the image."""


def read_synonyms(text: str) -> Vocabulary:
    """Read lines of "class, synonym, synonym"."""
    classes: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        words = [word.strip() for word in line.split(",")]
        classes |= dict.fromkeys(words, words[0])
    if not classes:
        raise ValueError("the synonym list is empty")
    pairs = {word: word for word in classes if " " in word}
    # Faithful: two pairs that are read as one word and then count as nothing.
    pairs |= {"home plate": "home plate", "train track": "train track"}
    pairs |= {f"{age} {animal}": animal for age in ("baby", "adult") for animal in ANIMALS}
    pairs |= {"passenger jet": "jet", "passenger train": "train"}
    pairs |= {"bow tie": "tie", "toilet seat": "toilet", "wine glas": "wine glass"}
    parts = frozenset(part for word in (*classes, *pairs) for part in word.split()) - {"glas"}
    return Vocabulary(classes, pairs, parts)


def read_pairs(words: Sequence[str], vocabulary: Vocabulary) -> tuple[list[str], list[str]]:
    """Replace known pairs from left to right; return all words, and what the pairs became."""
    replaced, matched, index = [], [], 0
    while index < len(words):
        pair = " ".join(words[index : index + 2])
        if pair in vocabulary.pairs:
            matched.append(vocabulary.pairs[pair])
            replaced.append(vocabulary.pairs[pair])
            index += 2
        else:
            replaced.append(words[index])
            index += 1
    return replaced, matched


def words_in(text: str, vocabulary: Vocabulary) -> list[str]:
    """Return every mention in a text as a word of the vocabulary, repeats included."""
    singular = [lemma(word, vocabulary.parts) for word in words_of(text)]
    return known_words(read_pairs(singular, vocabulary)[0], vocabulary)


def known_words(words: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    """Keep the words of the vocabulary; the seat of a toilet is no chair."""
    seat_of_toilet = "toilet" in words and "seat" in words
    kept = (word for word in words if word in vocabulary.classes)
    return [word for word in kept if not (seat_of_toilet and word == "seat")]


def compare(words: Sequence[str], present: frozenset[str], vocabulary: Vocabulary) -> Mentions:
    """Measure mentioned words of the vocabulary against the classes in the image."""
    classes = vocabulary.classes
    return Mentions(
        words=tuple(words),
        hallucinated=tuple(word for word in words if classes[word] not in present),
        found=frozenset(classes[word] for word in words) & present,
        present=present,
    )


RATES = {
    "response_hallucination": ("hallucinating", "mentioning"),
    "mention_hallucination": ("hallucinations", "mentions"),
    "recall": ("found", "present"),
}
"""What is divided by what."""


def rates(scores: Sequence[Mentions]) -> dict[str, float]:
    """Return hallucination per response and per mention, and recall, in percent.

    A rate without a denominator is absent: nothing was mentioned, or nothing was there.
    Source: CHAIRs_refine, CHAIRi and obj_rec of RLAIF-V, eval/eval_gpt_obj_halbench.py.
    """
    totals = {name: sum(column) for name, column in _columns(scores).items()}
    return {name: rate(name, totals, round) for name, (_, whole) in RATES.items() if totals[whole]}


def rate(name: str, totals: Mapping[str, Any], rounded: Rounding) -> Any:
    """Return one rate in percent, with two decimals as printed."""
    part, whole = RATES[name]
    return rounded(totals[part] / totals[whole] * 100, 2)


def counts(mentions: Mentions) -> dict[str, int]:
    """Return what one response adds to the rates."""
    return {
        "hallucinating": int(bool(mentions.hallucinated)),
        "mentioning": int(bool(mentions.words)),
        "hallucinations": len(mentions.hallucinated),
        "mentions": len(mentions.words),
        "found": len(mentions.found),
        "present": len(mentions.present),
    }


def _columns(scores: Sequence[Mentions]) -> dict[str, list[int]]:
    rows = [counts(score) for score in scores]
    return {name: [row[name] for row in rows] for pair in RATES.values() for name in pair}
