"""Singulars of nouns as WordNet's lemmatizer finds them."""

from collections.abc import Iterator, Sequence

from benchmarks.plurals import SUFFIXES


class NounForms:
    """Singulars as WordNet's Morphy finds them.

    Args:
        index: Text of index.noun: one known noun per line, the first word.
        exceptions: Text of noun.exc: irregular plural, then its singulars.
    """

    def __init__(self, index: str, exceptions: str) -> None:
        lines = (line for line in index.splitlines() if not line.startswith(" "))
        self._known = frozenset(line.split(" ", 1)[0] for line in lines)
        rows = (line.split() for line in exceptions.splitlines())
        self._irregular = {row[0]: row[1:] for row in rows if row}
        self._lemmas: dict[str, str] = {}

    def lemma(self, word: str) -> str:
        """Return the shortest known form, or the word itself if none is known."""
        if word not in self._lemmas:
            self._lemmas[word] = min(self._forms(word), key=len, default=word)
        return self._lemmas[word]

    def singular(self, word: str) -> str:
        """Return the first irregular singular, or else the lemma."""
        irregular = self._irregular.get(word)
        return irregular[0] if irregular else self.lemma(word)

    def _forms(self, word: str) -> list[str]:
        if word in self._irregular:
            return [form for form in (word, *self._irregular[word]) if form in self._known]
        forms = [word]
        while forms:
            shorter = list(_singulars(forms))
            known = [form for form in (*forms, *shorter) if form in self._known]
            if known:
                return known
            forms = shorter
        return []


def _singulars(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        for old, new in SUFFIXES:
            if word.endswith(old):
                yield word[: -len(old)] + new
