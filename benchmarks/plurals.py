"""Words of a caption in the form in which CHAIR looks them up.

The published script tokenizes with NLTK and lemmatizes with WordNet 3.0. Only words of the
synonym list count afterwards, and for those the rules and exceptions below give the same words.
"""

import re
from collections.abc import Collection

SUFFIXES = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
"""Plural endings of English nouns. Source: Morphy, WordNet 3.0."""

IRREGULAR = {
    "brethren": "brother",
    "buffaloes": "buffalo",
    "busses": "bus",
    "children": "child",
    "flamingoes": "flamingo",
    "geese": "goose",
    "glass": "glass",
    "grandchildren": "grandchild",
    "knives": "knife",
    "mice": "mouse",
    "oxen": "ox",
    "pocketknives": "pocketknife",
    "taxies": "taxi",
    # Faithful: WordNet has shorter words for these, and the mention is lost.
    "sports": "sport",
    "vases": "vas",
}

# Faithful: WordNet keeps these as they are, or does not know the singular: no mention.
KEPT = frozenset(
    {
        "bikers",
        "bluejays",
        "brindles",
        "childrens",
        "coworkers",
        "firetrucks",
        "hairdryers",
        "hots",
        "lenovos",
        "longboards",
        "macbooks",
        "men",
        "netbooks",
        "paddleboats",
        "pitbulls",
        "riverboats",
        "sailboards",
        "shortboards",
        "skimboards",
        "smartphones",
        "soliders",
        "stovetops",
        "teddybears",
        "televisons",
    }
)

MARKS = r""",:;@#$%&?!"()\[\]{}<>`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"""
TOKEN = re.compile(rf"\.{{3}}|--|'?(?:(?!\.{{3}}|--)[^\s{MARKS}'])+|\S")
FULL_STOP = re.compile(rf"\.(?=['\s{MARKS}]*(?:\s|$))(?<!\.\.\.)")


def words_of(text: str) -> list[str]:
    """Return the lower-cased words and punctuation marks of a text.

    A full stop is cut off where a space follows. Hyphens, slashes and stars stay in a word, so
    that "dog-like" and "**dog**" are no mention. A clitic is a word: "dog", "'s".
    """
    return TOKEN.findall(FULL_STOP.sub(" .", text.lower()))


def lemma(word: str, vocabulary: Collection[str]) -> str:
    """Return the singular as far as the vocabulary knows it, else the word itself."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in KEPT:
        return word
    singulars = (word[: -len(old)] + new for old, new in SUFFIXES if word.endswith(old))
    known = [form for form in (word, *singulars) if form in vocabulary]
    return min(known, key=len, default=word)
