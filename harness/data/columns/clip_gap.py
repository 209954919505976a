"""The column clip_gap: sub-sentences of all pairs scored with CLIP, shard by shard."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from harness.data.columns.clip import Clip
from harness.data.columns.column import Advance, Column
from harness.data.columns.score_shards import (
    ScoredPair,
    ScoredSide,
    Shards,
    key_parts,
    write_scores,
)
from harness.data.columns.splitters import (
    ByEndpoint,
    BySentences,
    NotSplit,
    Pieces,
    Splitter,
    required_model,
)
from harness.data.columns.splitting import split_sentences
from harness.data.columns.summary import Summary, collected
from harness.data.images import open_image
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError
from harness.files.sealed import ensure_files
from harness.llm.chat import ChatService, ChatSettings, default_store
from harness.settings.spec import HardnessSpec

BATCH_PAIRS = 32
"""Pairs that CLIP sees together; another number moves the last digit of a cosine."""


def score_missing(
    pairs: Preferences,
    shards: Shards,
    hardness: HardnessSpec,
    chat: ChatSettings,
    store: Path,
    advance: Advance = lambda pairs: None,
) -> None:
    """Score all pairs whose shard is not there; processes that do the same share the work.

    Raises:
        ConfigError: CLIP or the language model cannot be loaded.
        DataError: The disk is full or cannot be written to. What is done is kept.
        JudgeError: The endpoint cannot be reached, or another model answers.
    """
    done = 0

    def add(amount: int) -> None:
        nonlocal done
        # The last shard may be small, and counts like the others where it comes before one of them.
        amount = min(amount, len(pairs) - done)
        done += amount
        advance(amount)

    @cache
    def scorer() -> Scorer:
        return Scorer(pairs, hardness, chat, store)

    def make(number: int, path: Path) -> None:
        write_scores(scorer().score(shards.rows(number), add), path)

    files = [shards.file(number) for number in range(len(shards))]
    ensure_files(files, make, advance=lambda whole: add(max(0, shards.pairs_in(whole) - done)))
    add(len(pairs) - done)


class Scorer:
    """CLIP and a splitter, loaded once.

    Raises:
        ConfigError: One of them cannot be loaded.
    """

    def __init__(
        self, pairs: Preferences, hardness: HardnessSpec, chat: ChatSettings, store: Path
    ) -> None:
        self._pairs = pairs
        self._splitter = make_splitter(hardness, chat, store)
        self._clip = Clip(hardness.clip)

    def score(self, rows: Sequence[int], advance: Advance) -> list[ScoredPair]:
        """Return the scores of some rows; all of their responses are split first."""
        responses = [text for row in rows for text in self._pairs.texts(row)[1:3]]
        pieces = self._splitter.split(responses)
        scored: list[ScoredPair] = []
        for start in range(0, len(rows), BATCH_PAIRS):
            stop = min(start + BATCH_PAIRS, len(rows))
            scored += self._batch(
                rows[start:stop], responses[2 * start : 2 * stop], pieces[2 * start : 2 * stop]
            )
            advance(stop - start)
        return scored

    def _batch(
        self, rows: Sequence[int], responses: Sequence[str], pieces: Sequence[Pieces]
    ) -> list[ScoredPair]:
        """Score a batch: texts are chosen, rejected, chosen, rejected..., two for each row."""
        keys, vectors, faults = self._images(rows)
        texts = [
            self._clip.fitting(split_sentences(response) if isinstance(one, NotSplit) else one)
            for response, one in zip(responses, pieces, strict=True)
        ]
        encoded = torch.split(
            self._clip.texts([piece for some in texts for piece in some]), [len(t) for t in texts]
        )
        sides = [
            ScoredSide(
                pieces=tuple(texts[i]),
                cosines=_cosines(encoded[i], vectors.get(keys[i // 2])),
                fault=one.reason if isinstance(one, NotSplit) else None,
            )
            for i, one in enumerate(pieces)
        ]
        return [
            ScoredPair(row, self._clip.scale, faults.get(key), sides[2 * i], sides[2 * i + 1])
            for i, (row, key) in enumerate(zip(rows, keys, strict=True))
        ]

    def _images(
        self, rows: Sequence[int]
    ) -> tuple[list[str], Mapping[str, Tensor], Mapping[str, str]]:
        """Return every row's key, and by key the vector of the image or what is wrong with it."""
        keys: list[str] = []
        contents: dict[str, bytes] = {}
        for row in rows:
            pair = self._pairs[row]
            keys.append(pair.images[0].key)
            contents.setdefault(keys[-1], pair.image)
        readable, faults = [], {}
        for key, content in contents.items():
            try:
                readable.append((key, open_image(content)))
            except DataError as error:
                faults[key] = str(error)
        if not readable:
            return keys, {}, faults
        vectors = self._clip.images([image for _, image in readable])
        return keys, dict(zip([key for key, _ in readable], vectors, strict=True)), faults


def _cosines(pieces: Tensor, image: Tensor | None) -> tuple[float, ...]:
    return () if image is None else tuple((pieces @ image).tolist())


def make_splitter(hardness: HardnessSpec, chat: ChatSettings, store: Path) -> Splitter:
    """Return the splitter of a specification; replies go to `store`.

    Raises:
        ConfigError: No model is named, it cannot be loaded, or the endpoint has no key.
    """
    if hardness.splitter == "sentences":
        return BySentences()
    model = required_model(hardness)
    if hardness.splitter == "endpoint":
        return ByEndpoint(model, ChatService(chat, store))
    from harness.data.columns.local_splitter import ByLocalModel

    return ByLocalModel(model, store)


def compute(
    pairs: Preferences, hardness: HardnessSpec, cache: Path, chat: ChatSettings, advance: Advance
) -> tuple[list[float], Summary]:
    """Score what has no score yet, then aggregate: one number per pair.

    Source: Eq. 6 of arXiv:2502.01943 is a function of it.
    """
    shards = Shards.of(pairs.digest, len(pairs), hardness, cache)
    score_missing(pairs, shards, hardness, chat, default_store(), advance)
    return collected(pairs, shards, hardness)


def decided_by(data: str, hardness: HardnessSpec) -> dict[str, str]:
    """Return what decides the raw scores, and how they become one number."""
    parts = key_parts(data, hardness) | {"aggregation": hardness.aggregation}
    if hardness.splitter != "sentences":
        parts["unscored"] = hardness.unscored
    return parts


COLUMN = Column("clip_gap", compute, decided_by, mean="clip_gap_mean")
