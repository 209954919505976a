"""Token ids of all pairs in one file that is mapped into memory, written once per data set."""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import tokenizers
import torch
import transformers
from jaxtyping import Int, Num
from torch import Tensor

from harness.data.columns.catalog import span_columns
from harness.data.columns.tokens.columns import TokenColumns
from harness.data.images import ImageRef
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.texts import Texts
from harness.data.rows.batch import PairTokenizer, TokenizedPair
from harness.files.arrow import ArrowFile
from harness.files.digests import digest_of, text_digest
from harness.files.sealed import ensure_files

BATCH_ROWS = 1000
_NAMED_ROWS = 10
_VERSION = 1
"""Raise it when the same pairs are to give other tokens or another file."""
_READ = ("*.json", "*.model", "*.txt", "*.jinja")
"""Files of a model's folder that may decide how it tokenizes."""
_SCHEMA = pa.schema(
    [
        ("prompt", pa.list_(pa.int32())),
        ("chosen", pa.list_(pa.int32())),
        ("rejected", pa.list_(pa.int32())),
        ("image", pa.binary(32)),
        ("cut", pa.bool_()),
    ]
)
_log = logging.getLogger(__name__)


class TokenizedPairs(ArrowFile):
    """Pairs by row; a prompt is stored with one image token and read with all of them."""

    def __init__(self, file: Path, image_id: int, image_tokens: int) -> None:
        super().__init__(file, BATCH_ROWS)
        self._image_id = image_id
        self._image_tokens = image_tokens
        start, _ = span_columns("")
        own = (name for name in self.schema.names if name not in _SCHEMA.names)
        self._columns = [name.removeprefix(start) for name in own if name.startswith(start)]

    def __getitem__(self, row: int) -> TokenizedPair:
        if not 0 <= row < len(self):
            raise IndexError(row)
        batch, place = self.batch(row // BATCH_ROWS), row % BATCH_ROWS
        prompt, chosen, rejected = (
            _values(batch.column(name), place) for name in ("prompt", "chosen", "rejected")
        )
        self.release(prompt.nbytes + chosen.nbytes + rejected.nbytes)
        return TokenizedPair(
            row=row,
            prompt=self._expanded(prompt),
            chosen=chosen,
            rejected=rejected,
            images=(ImageRef(row, 0, batch.column("image")[place].as_py().hex()),),
            cut=batch.column("cut")[place].as_py(),
            columns={name: self._numbers(batch, place, name) for name in self._columns},
        )

    @property
    def cut_rows(self) -> list[int]:
        """Rows of which a response lost its end."""
        rows: list[int] = []
        for number in range(self.batches):
            cut = self.batch(number).column("cut").to_pylist()
            rows += (number * BATCH_ROWS + place for place, was in enumerate(cut) if was)
        return rows

    @property
    def images(self) -> Int[Tensor, " pairs"]:
        """Of each pair the number of its image; they are numbered as they first appear."""
        numbers: dict[bytes, int] = {}
        keys = (
            key
            for number in range(self.batches)
            for key in self.batch(number).column("image").to_pylist()
        )
        return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])

    def _numbers(self, batch: Any, place: int, name: str) -> tuple[Tensor, Tensor]:
        """Return the numbers of the tokens of both responses in a token column."""
        chosen, rejected = (_values(batch.column(one), place) for one in span_columns(name))
        self.release(chosen.nbytes + rejected.nbytes)
        return chosen, rejected

    def _expanded(self, prompt: Int[Tensor, " stored"]) -> Int[Tensor, " prompt"]:
        repeats = torch.where(prompt == self._image_id, self._image_tokens, 1)
        return prompt.repeat_interleave(repeats)


def tokenized_file(
    cache: Path,
    folder: Path,
    tokenizer: PairTokenizer,
    data: str,
    columns: TokenColumns | None = None,
) -> Path:
    """Return the place of the token ids; its name hashes all that decides them.

    Args:
        cache: The cache folder.
        folder: The model's, with the files of its tokenizer.
        tokenizer: Its template and its limits count.
        data: Digest of the pairs.
        columns: The token columns whose numbers stand beside the ids.
    """
    parts = _parts(folder, tokenizer) | {"data": data}
    if columns is not None:
        parts |= {"token columns": columns.key}
    return cache / "tokenized" / f"{digest_of(parts, 16)}.arrow"


class TokenReader:
    """A model's tokenizer for the check of the pairs."""

    def __init__(self, folder: Path, tokenizer: PairTokenizer) -> None:
        self.digest = digest_of(_parts(folder, tokenizer), 16)
        self._tokenizer = tokenizer

    def faults(self, texts: Iterable[Texts]) -> Iterator[str | None]:
        """Yield for each pair why it cannot be trained on, or None."""
        return self._tokenizer.faults(texts)


def _parts(folder: Path, tokenizer: PairTokenizer) -> dict[str, Any]:
    """Return all that decides the token ids of a text."""
    files = sorted({file for pattern in _READ for file in folder.glob(pattern)})
    content = (part for file in files for part in (f"{file.name}\0", file.read_bytes()))
    return {
        "tokenizer": text_digest(*content),
        "versions": [transformers.__version__, tokenizers.__version__, _VERSION],
        "template": asdict(tokenizer.template),
        "image_tokens": tokenizer.image_tokens,
        "max_length": tokenizer.max_length,
    }


def ensure_tokenized(
    preferences: Preferences,
    tokenizer: PairTokenizer,
    file: Path,
    advance: Callable[[int], object] = lambda done: None,
    columns: TokenColumns | None = None,
) -> TokenizedPairs:
    """Open the token ids of all pairs; write them if they are not there, or damaged.

    `advance` is told how many pairs are done by now; `columns` are those of `tokenized_file`.

    Raises:
        DataError: A pair cannot be tokenized, or the file cannot be written.
    """
    ensure_files([file], lambda _, path: _write(preferences, tokenizer, path, advance, columns))
    pairs = TokenizedPairs(file, tokenizer.image_id, tokenizer.image_tokens)
    if cut := pairs.cut_rows:
        _log.warning(
            "%d of %d pairs have responses that were cut at max_length %d, the first ones in "
            "rows %s",
            len(cut),
            len(pairs),
            tokenizer.max_length,
            ", ".join(map(str, cut[:_NAMED_ROWS])),
        )
    return pairs


def _write(
    preferences: Preferences,
    tokenizer: PairTokenizer,
    path: Path,
    advance: Callable[[int], object],
    columns: TokenColumns | None,
) -> None:
    waiting = tokenizer.tokenize(preferences, columns)
    schema = _SCHEMA
    for column in (one for name in columns.files for one in span_columns(name)) if columns else ():
        schema = schema.append(pa.field(column, pa.list_(pa.float32())))
    done = 0
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, schema) as writer:
        while part := list(itertools.islice(waiting, BATCH_ROWS)):
            stored = [_stored(pair, tokenizer.image_id) for pair in part]
            writer.write_batch(pa.RecordBatch.from_pylist(stored, schema))
            done += len(part)
            advance(done)


def _stored(pair: TokenizedPair, image_id: int) -> dict[str, Any]:
    (image,) = pair.images
    return {
        "prompt": pair.unexpanded(image_id).numpy(),
        "chosen": pair.chosen.numpy(),
        "rejected": pair.rejected.numpy(),
        "image": bytes.fromhex(image.key),
        "cut": pair.cut,
        **{
            column: values.numpy()
            for name, both in pair.columns.items()
            for column, values in zip(span_columns(name), both, strict=True)
        },
    }


def _values(column: Any, place: int) -> Num[Tensor, " tokens"]:
    # A copy: the map is read-only, and its pages are given back.
    return torch.from_numpy(column[place].values.to_numpy(zero_copy_only=False).copy())
