"""Taggers: texts to tokens with part of speech and lemma."""

import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from benchmarks.plurals import SUFFIXES
from benchmarks.types import Token
from harness.errors import DataError
from harness.evaluation.plain_pickle import read_plain_pickle
from harness.rundir import cache_dir, write_atomically

TAGGER = "averaged_perceptron_tagger"
TAGGER_JSON = f"taggers/{TAGGER}_eng/{TAGGER}_eng.{{}}.json"
TAGGER_PICKLE = f"{TAGGER}/{TAGGER}.pickle"


class Tagger(Protocol):
    """Anything that finds the tokens of texts."""

    @property
    def name(self) -> str:
        """Shown on the scorecard."""

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text."""


class NLTKTagger:
    """NLTK's tokenizer and perceptron tagger with the lemmatizer of WordNet 3.0.

    Lemmas are those of nouns, whatever the tag, as `WordNetLemmatizer` gives by default.

    Args:
        folders: Where the data may lie, as `nltk.download` lays it out or flat; the first one
            that has a file gives it.
        cache: Folder that gets the tagger as JSON if there is only the old pickle of it.
    """

    name = "nltk averaged_perceptron_tagger, WordNet 3.0"

    def __init__(self, folders: Sequence[Path], cache: Path) -> None:
        self._folders = (*folders, cache)
        self._cache = cache

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text.

        Raises:
            DataError: NLTK's data are not on this machine.
        """
        return [self._tokens(text) for text in texts]

    def singular(self, word: str) -> str:
        """Return the singular of a noun, irregular plurals first."""
        return self._nouns.singular(word)

    def _tokens(self, text: str) -> list[Token]:
        words = [
            word
            for sentence in self._sentences.tokenize(text)
            for word in self._words.tokenize(sentence)
        ]
        return [Token(word, tag, self._nouns.lemma(word)) for word, tag in self._tagger.tag(words)]

    @cached_property
    def _words(self) -> Any:
        from nltk.tokenize.destructive import NLTKWordTokenizer

        return NLTKWordTokenizer()

    @cached_property
    def _sentences(self) -> Any:
        from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

        def rows(name: str) -> list[list[str]]:
            places = (f"tokenizers/punkt_tab/english/{name}", f"punkt_tab_english/{name}")
            lines = self._find(*places).read_text("utf-8").split("\n")
            return [line.split("\t") for line in lines if line]

        parameters = PunktParameters()
        parameters.abbrev_types = {row[0] for row in rows("abbrev_types.txt")}
        parameters.sent_starters = {row[0] for row in rows("sent_starters.txt")}
        parameters.collocations = {tuple(row) for row in rows("collocations.tab")}
        parameters.ortho_context.update({word: int(x) for word, x in rows("ortho_context.tab")})
        return PunktSentenceTokenizer(parameters)

    @cached_property
    def _tagger(self) -> Any:
        from nltk.tag.perceptron import PerceptronTagger

        tagger = PerceptronTagger(load=False)
        parts = [TAGGER_JSON.format(part) for part in ("weights", "tagdict", "classes")]
        if not any((folder / parts[0]).exists() for folder in self._folders):
            self._convert(parts)
        weights, tags, classes = (json.loads(self._find(p).read_text("utf-8")) for p in parts)
        tagger.model.weights, tagger.tagdict = weights, tags
        tagger.model.classes = tagger.classes = set(classes)
        return tagger

    def _convert(self, parts: Sequence[str]) -> None:
        """Write the values of the pickled tagger as JSON into the cache."""
        found = self._find(f"taggers/{TAGGER}.zip", f"{TAGGER}.zip")
        with zipfile.ZipFile(found) as archive:
            values = read_plain_pickle(archive.read(TAGGER_PICKLE), str(found))
        for part, value in zip(parts, values, strict=True):
            text = json.dumps(sorted(value) if isinstance(value, set) else value)
            write_atomically(self._cache / part, text)

    @cached_property
    def _nouns(self) -> "NounForms":
        index = self._find("corpora/wordnet/index.noun", "index.noun")
        exceptions = self._find("corpora/wordnet/noun.exc", "noun.exc")
        return NounForms(index.read_text("utf-8"), exceptions.read_text("utf-8"))

    def _find(self, *names: str) -> Path:
        for folder in self._folders:
            for name in names:
                if (folder / name).exists():
                    return folder / name
        looked = ", ".join(map(str, self._folders))
        raise DataError(
            f"NLTK's data are needed to find the nouns, and there is no {names[0]} in {looked}. "
            "Fetch punkt_tab, averaged_perceptron_tagger_eng and wordnet (unpacked) with NLTK's "
            "downloader and set NLTK_DATA to their folder."
        )


class PhraseTagger:
    """NLTK's tagger on noun phrases, brought closer to what a spaCy pipeline makes of them.

    Lemmas are lower-case but for proper nouns, irregular plurals become singular, and an adjective
    at the end of a phrase is a noun. It stands in where en_core_web_trf is not installed, and
    says so on the scorecard.
    """

    name = "nltk instead of en_core_web_trf"

    def __init__(self, tagger: NLTKTagger) -> None:
        self._tagger = tagger

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each phrase."""
        return [self._repaired(tokens) for tokens in self._tagger.tag(texts)]

    def _repaired(self, tokens: list[Token]) -> list[Token]:
        *before, last = tokens
        if last.tag.startswith("JJ"):
            last = last._replace(tag="NN")
        return [
            token if token.tag.startswith("NNP") else token._replace(lemma=self._lemma(token.text))
            for token in (*before, last)
        ]

    def _lemma(self, word: str) -> str:
        return self._tagger.singular(word.lower())


class SpacyTagger:
    """A spaCy pipeline that is installed as a package.

    Args:
        name: Name of the package.
    """

    def __init__(self, name: str) -> None:
        self._package = name

    @property
    def name(self) -> str:
        """Package and version, because lemmas differ between versions."""
        return f"{self._package} {metadata.version(self._package)}"

    @cached_property
    def _pipeline(self) -> Any:
        import spacy

        return spacy.load(self._package)

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text."""
        return [
            [Token(token.text, token.tag_, token.lemma_) for token in doc]
            for doc in self._pipeline.pipe(texts)
        ]


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


def find_nltk(data: Path) -> NLTKTagger:
    """Return NLTK's tagger with data from NLTK_DATA, beside the benchmark's data or the cache."""
    stated = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    folders = [Path(folder) for folder in stated if folder]
    return NLTKTagger(
        [*folders, data / "nltk_data", data.parent / "nltk_data"], cache_dir() / "nltk_data"
    )
