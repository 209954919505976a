"""Whether pieces of a response are the response: the same words in the same order.

Compared are the runs of letters and digits, after Unicode compatibility normalisation (NFKC) and
case folding. Spaces, line breaks, punctuation and marks of lists may change; no word may be lost,
added, replaced or moved, and there is no tolerance beyond that.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import takewhile

from harness.data.columns.splitting import without_list_mark

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the words of a text in the form in which they are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def departure(response: str, pieces: Sequence[str]) -> str | None:
    """Say where pieces stop being the response, or return None: they cover it.

    A number that opens a line may be a list's mark or a word; either reading is accepted.
    """
    marked = response.splitlines(), [line for piece in pieces for line in piece.splitlines()]
    bare = tuple([without_list_mark(line.strip()) for line in lines] for lines in marked)
    wanted, found = (words("\n".join(lines)) for lines in marked)
    wanted_bare, found_bare = (words("\n".join(lines)) for lines in bare)
    if wanted == found or wanted_bare == found_bare:
        return None
    return _first_difference(wanted_bare, found_bare)


def _first_difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    together = zip(wanted, found, strict=False)
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], together))
    if shared == len(found):
        return f"the pieces end after {shared} of {len(wanted)} words"
    if shared == len(wanted):
        return f"the pieces go on with {_shown(found[shared])} after the response's last word"
    return (
        f"word {shared + 1} is {_shown(wanted[shared])} in the response and "
        f"{_shown(found[shared])} in the pieces"
    )


def _shown(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:40]}...")
