"""Sub-sentences: the pieces of a response that CLIP scores one by one."""

import re

_BOUNDARY = re.compile(
    r"""
    (?<=[.!?])["')\]]*\s+(?=["'(\[]?[A-Z0-9])   # the end of a sentence, then a capital or a figure
    | \s*\n+\s*                                 # a new line: lists and paragraphs
    | ;\s+
    """,
    re.VERBOSE,
)
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e|approx|No)|\b[A-Z])\.$")
_LIST_MARK = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s*")


def split_sentences(response: str) -> list[str]:
    """Split at sentence ends, semicolons and new lines, without list marks.

    Abbreviations and initials end no sentence. Never empty: a text without a word stays whole.
    """
    pieces: list[str] = []
    start = 0
    for boundary in _BOUNDARY.finditer(response):
        if _ABBREVIATION.search(response[start : boundary.start()]) or boundary.start() < start:
            continue
        pieces.append(response[start : boundary.end()])
        start = boundary.end()
    pieces.append(response[start:])
    sentences = [without_list_mark(piece.strip()) for piece in pieces]
    return [text for text in sentences if re.search(r"\w", text)] or [response.strip()]


def without_list_mark(line: str) -> str:
    """Remove the dash, bullet or number that opens an entry of a list."""
    return _LIST_MARK.sub("", line)
