"""Which of AMBER's words its script takes for similar: one table for a model of word vectors.

Source: AMBER, inference.py at 534babf: spaCy's `Doc.similarity` of single words above 0.8.
"""

import importlib.util
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.amber import OFFICIAL_MODEL, REFUSED_MODEL, RELATION, SIMILAR, THRESHOLD
from benchmarks.parsing import json_object
from harness.errors import ConfigError, DataError
from harness.files.atomic import write_text
from harness.files.digests import file_digest
from harness.upstream.reading import read_text

Vector = NDArray[np.float32]


def similarity(one: Vector, other: Vector) -> float:
    """Return the cosine of two vectors as spaCy computes it in float32; 0 for a zero vector."""
    norms = _norm(one) * _norm(other)
    return float(np.dot(one, other) / norms) if norms else 0.0


def _norm(vector: Vector) -> float:
    # Faithful: spaCy squares in float32 and adds up in float64.
    return sqrt((vector * vector).sum(dtype=np.float64))


def similar_pairs(words: Sequence[str], vectors: Mapping[str, Vector]) -> list[tuple[str, str]]:
    """Return the pairs of different words, both sorted, that are more similar than 0.8.

    A word is always similar to itself, so that such pairs need no place in the table; a word
    without a vector is similar to nothing else.
    """
    known = [word for word in sorted(set(words)) if word in vectors]
    return [
        (one, other)
        for one, other in combinations(known, 2)
        if similarity(vectors[one], vectors[other]) > THRESHOLD
    ]


def words_of(folder: Path) -> list[str]:
    """Return all words of relation.json, sorted.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        associated = json_object(read_text(folder / RELATION), RELATION)
    except ValueError as error:
        raise DataError(f"{folder}: {error}. Fetch it with: data fetch amber") from error
    return sorted(set(associated).union(*associated.values()))


def write_table(folder: Path, model: str) -> tuple[Path, int]:
    """Write similar_words.json of a spaCy model and return its path and how many pairs it holds.

    Raises:
        ConfigError: spaCy or the model is not installed, or it has no word vectors, or too few.
        DataError: AMBER's words are not in the folder.
    """
    if model.startswith(REFUSED_MODEL):
        raise ConfigError(
            f"{model} gives 1 of 28 official numbers: nearly none of AMBER's words has a vector of "
            f"its own there. Take {OFFICIAL_MODEL}; without it AMBER needs no table."
        )
    words = words_of(folder)
    vectors, version = spacy_vectors(words, model)
    pairs = similar_pairs(words, vectors)
    table = {
        "model": version,
        "threshold": THRESHOLD,
        "words": len(words),
        "words_without_vector": [word for word in words if not vectors[word].any()],
        "relation_sha256": file_digest(folder / RELATION),
        "pairs": pairs,
    }
    write_text(folder / SIMILAR, json.dumps(table, indent=1, ensure_ascii=False))
    return folder / SIMILAR, len(pairs)


def spacy_vectors(words: Sequence[str], model: str) -> tuple[dict[str, Vector], str]:
    """Return the vectors that a spaCy model gives the words, and the model with its version."""
    pipeline = _load(model)
    if not len(pipeline.vocab.vectors):
        raise ConfigError(f"the spaCy model {model} has no word vectors. Take en_core_web_lg.")
    vectors = {word: np.asarray(pipeline.make_doc(word).vector, np.float32) for word in words}
    meta = pipeline.meta
    name = f"{meta['lang']}_{meta['name']} {meta['version']}"
    return vectors, f"{name} (spaCy {metadata.version('spacy')})"


def _load(model: str) -> Any:
    if importlib.util.find_spec("spacy") is None:
        raise ConfigError(
            "spaCy is not installed, and the vectors are those of one of its models. Install it "
            f"with `uv pip install spacy pip` and then `python -m spacy download {model}`."
        )
    import spacy

    try:
        return spacy.load(model)
    except OSError as error:
        # Not by pip: under the models' names, the package index holds packages of strangers.
        raise ConfigError(
            f"spaCy has no model {model} here. Install it with `python -m spacy download {model}`, "
            "not from the package index."
        ) from error
