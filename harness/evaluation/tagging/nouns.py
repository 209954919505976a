"""Taggers: texts to tokens with part of speech and lemma."""

import json
import os
import zipfile
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from benchmarks.types import Token
from harness.errors import DataError
from harness.evaluation.tagging.plain_pickle import read_plain_pickle
from harness.evaluation.tagging.wordnet import NounForms
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.digests import file_digest
from harness.upstream.catalogue import catalogue

OFFICIAL = "nltk averaged_perceptron_tagger, WordNet 3.0"
LICENCE = "corpora/wordnet/LICENSE"
TAGGER = "averaged_perceptron_tagger"
TAGGER_JSON = f"taggers/{TAGGER}_eng/{TAGGER}_eng.{{}}.json"
PARTS = ("weights", "tagdict", "classes")
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

    def __init__(self, folders: Sequence[Path], cache: Path) -> None:
        self._folders = (*folders, cache)
        self._cache = cache

    @property
    def name(self) -> str:
        """The published versions, and which files on this machine are others."""
        others = ", ".join(path.name for path in self._others)
        return f"{OFFICIAL}{f' (not the official files: {others})' if others else ''}"

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text.

        Raises:
            DataError: NLTK's data are not on this machine.
        """
        return [self._tokens(text) for text in texts]

    def singular(self, word: str) -> str:
        """Return the singular of a noun, irregular plurals first."""
        return self._nouns.singular(word)

    def missing_files(self) -> list[str]:
        """Return the paths, as NLTK has them, of what tagging reads and is not here."""
        files = [path for path in catalogue()["nltk_data"].files if path != LICENCE]
        if all(self._place(TAGGER_JSON.format(part)) for part in PARTS):
            files.remove(f"taggers/{TAGGER}.zip")
        return [path for path in files if self._place(*_flat(path)) is None]

    def told_missing(self, path: str) -> str:
        """Say that a file is not here, where it was looked for, and how to get it."""
        looked = ", ".join(map(str, self._folders))
        return (
            f"NLTK's data are needed to find the nouns, and there is no {path} in {looked}. "
            "Fetch them with `python -m harness data fetch nltk_data`, or set NLTK_DATA to their "
            "folder."
        )

    def _tokens(self, text: str) -> list[Token]:
        words = [
            word
            for sentence in self._sentences.tokenize(text)
            for word in self._words.tokenize(sentence)
        ]
        return [Token(word, tag, self._nouns.lemma(word)) for word, tag in self._tagger.tag(words)]

    @cached_property
    def _others(self) -> list[Path]:
        """Files whose content is not the published one; those that are missing say so when used."""
        published = catalogue()["nltk_data"].files
        hashes = {path: entry.sha256 for path, entry in published.items() if path != LICENCE}
        places = {path: self._place(*_flat(path)) for path in hashes}
        found = {path: place for path, place in places.items() if place is not None}
        others = [place for path, place in found.items() if file_digest(place) != hashes[path]]
        weights = self._place(TAGGER_JSON.format(PARTS[0]))
        if f"taggers/{TAGGER}.zip" not in found and weights is not None:
            others.append(weights)  # NLTK's newer form of it, of which no hash is known
        return others

    @cached_property
    def _words(self) -> Any:
        from nltk.tokenize.destructive import NLTKWordTokenizer

        return NLTKWordTokenizer()

    @cached_property
    def _sentences(self) -> Any:
        from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

        def rows(name: str) -> list[list[str]]:
            places = _flat(f"tokenizers/punkt_tab/english/{name}")
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
        weights, tags, classes = (
            json.loads(path.read_text("utf-8")) for path in self._tagger_files()
        )
        tagger.model.weights, tagger.tagdict = weights, tags
        tagger.model.classes = tagger.classes = set(classes)
        return tagger

    def _tagger_files(self) -> list[Path]:
        """Return weights, tags and classes as JSON, made from the published archive if it is here.

        What is made lies in the cache under the archive's hash: another archive is made anew.
        """
        names = [TAGGER_JSON.format(part) for part in PARTS]
        archive = self._place(*_flat(f"taggers/{TAGGER}.zip"))
        if archive is None:
            return [self._find(name) for name in names]
        files = [self._cache / file_digest(archive)[:16] / name for name in names]
        if not all(file.exists() for file in files):
            with zipfile.ZipFile(archive) as opened:
                values = read_plain_pickle(opened.read(TAGGER_PICKLE), str(archive))
            for file, value in zip(files, values, strict=True):
                text = json.dumps(sorted(value) if isinstance(value, set) else value)
                write_text(file, text)
        return files

    @cached_property
    def _nouns(self) -> NounForms:
        index = self._find(*_flat("corpora/wordnet/index.noun"))
        exceptions = self._find(*_flat("corpora/wordnet/noun.exc"))
        return NounForms(index.read_text("utf-8"), exceptions.read_text("utf-8"))

    def _place(self, *names: str) -> Path | None:
        paths = (folder / name for folder in self._folders for name in names)
        return next((path for path in paths if path.is_file()), None)

    def _find(self, *names: str) -> Path:
        found = self._place(*names)
        if found is None:
            raise DataError(self.told_missing(names[0]))
        return found


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
        """Versions of package and spaCy, because lemmas differ between them."""
        versions = metadata.version(self._package), metadata.version("spacy")
        return f"{self._package} {versions[0]} (spaCy {versions[1]})"

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


def _flat(path: str) -> tuple[str, str]:
    """Return a path in NLTK's layout and the one that a flat folder has for it."""
    *_, folder, name = path.split("/")
    return path, f"punkt_tab_english/{name}" if folder == "english" else name


def find_nltk(data: Path) -> NLTKTagger:
    """Return NLTK's tagger with data from NLTK_DATA, beside the benchmark's data or the cache."""
    stated = os.environ.get("NLTK_DATA", "").split(os.pathsep)
    folders = [Path(folder) for folder in stated if folder]
    beside = (data / "nltk_data", data.parent / "nltk_data")
    return _nltk((*folders, *beside), cache_dir() / "nltk_data")


@lru_cache(maxsize=8)
def _nltk(folders: tuple[Path, ...], cache: Path) -> NLTKTagger:
    """Return the tagger of some folders: reading its data takes a second."""
    return NLTKTagger(folders, cache)
