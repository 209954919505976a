"""Log-probabilities of the reference model, computed once for all methods, seeds and epochs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.files.atomic import write_text
from harness.files.digests import text_digest
from harness.files.sealed import ensure_files, is_intact
from harness.training.step.policy import TokenLogps
from harness.training.step.protocols import Ranks
from methods.views import View

SHARD_PAIRS = 512
_OPEN_SHARDS = 16
SIDES = ("chosen", "rejected")

Logps = Callable[[Sequence[int]], Sequence[tuple[Tensor, ...]]]
"""Maps rows to the unpadded log-probabilities of both responses, or of the views, of each."""


class ReferenceKey(NamedTuple):
    """Everything that the numbers depend on."""

    model: str
    data: str
    pairs: int
    template: str
    image_transform: str
    dtype: str
    max_length: int
    device: str
    attention: str
    kernels: str
    torch: str

    def folder(self, cache: Path, besides: "ViewsKey | DrawnKey | None" = None) -> Path:
        """Return the place of the log-probabilities in the cache; the key is written into it.

        With `besides` it is that of the log-probabilities of these views, or pairs.
        """
        folder = self.place(cache, besides)
        if not (folder / "key.json").exists():
            write_text(folder / "key.json", self._text(besides) + "\n")
        return folder

    def place(self, cache: Path, besides: "ViewsKey | DrawnKey | None" = None) -> Path:
        """Return the same place, whether anything is there or not; nothing is written."""
        return cache / "reference" / text_digest(self._text(besides), digits=16)

    def _text(self, besides: "ViewsKey | DrawnKey | None") -> str:
        more = {} if besides is None else besides._asdict()
        return json.dumps(self._asdict() | more, sort_keys=True, indent=2)


class ViewsKey(NamedTuple):
    """What the log-probabilities of views depend on besides."""

    views: Sequence[View]
    seed: int
    drawing: int = 1
    """Raise it when the same views are to be drawn in another way."""


class DrawnKey(NamedTuple):
    """What the log-probabilities of some pairs alone depend on besides."""

    drawn: str
    """Digest of their rows."""


@dataclass(frozen=True)
class _Shard:
    """An open file: the values of all responses of a side in a row, and where each begins."""

    values: dict[str, Any]
    starts: dict[str, list[int]]

    @classmethod
    def open(cls, file: Path, sides: Sequence[str]) -> "_Shard":
        # A slice reads from the memory map when it is asked for.
        stored: Any = safe_open(str(file), framework="pt")
        return cls(
            values={side: stored.get_slice(side) for side in sides},
            starts={side: stored.get_tensor(f"{side}_starts").tolist() for side in sides},
        )

    def logps(self, side: str, place: int) -> Float[Tensor, " tokens"]:
        first, end = self.starts[side][place : place + 2]
        found: Tensor = self.values[side][first:end]
        return found


class ReferenceLogps:
    """Per-token log-probabilities of all pairs in nats, read from the disk when asked for."""

    def __init__(self, folder: Path, sides: Sequence[str] = SIDES) -> None:
        self._open = lru_cache(_OPEN_SHARDS)(
            lambda number: _Shard.open(_file(folder, number), sides)
        )

    def of(self, rows: Sequence[int], width: int) -> TokenLogps:
        """Return both responses of these rows, padded with zeros to `width` tokens."""
        chosen, rejected = (self.side(side, rows, width) for side in SIDES)
        return TokenLogps(chosen, rejected)

    def side(self, side: str, rows: Sequence[int], width: int) -> Float[Tensor, "pairs tokens"]:
        """Return one of the sides, or a view, of these rows."""
        values = torch.zeros(len(rows), width)
        for i, row in enumerate(rows):
            number, place = divmod(row, SHARD_PAIRS)
            logps = self._open(number).logps(side, place)
            values[i, : len(logps)] = logps
        return values


def kept_reference(folder: Path, rows: Sequence[int]) -> ReferenceLogps | None:
    """Return what is in the cache already; None where a file that holds some of `rows` is not."""
    numbers = {row // SHARD_PAIRS for row in rows}
    whole = all(is_intact(_file(folder, number)) for number in numbers)
    return ReferenceLogps(folder) if whole else None


def ensure_reference(
    folder: Path,
    pairs: int,
    batch_pairs: int,
    logps: Logps,
    ranks: Ranks,
    advance: Callable[[int], object] = lambda done: None,
    sides: Sequence[str] = SIDES,
) -> ReferenceLogps:
    """Return the cached log-probabilities, after computing those that are missing or damaged.

    The ranks, and other runs that want the same, share the work by files of 512 pairs. What is
    done stays done, whatever happens to a process. There is no collective in this.

    Args:
        folder: That of the key.
        pairs: How many there are.
        batch_pairs: How many go through the model at once. The numbers depend on it by rounding.
        logps: Computes them.
        ranks: This process among those that start together.
        advance: Told how many pairs are done by now; also while this process waits for another. It
            may raise to stop.
        sides: Names of what `logps` returns of each pair.
    """

    def make(number: int, path: Path) -> None:
        save_file(_shard(range(pairs)[_rows(number)], batch_pairs, logps, sides), path)

    ensure_files(
        [_file(folder, number) for number in range(-(-pairs // SHARD_PAIRS))],
        make,
        ranks.rank,
        ranks.count,
        lambda shards: advance(min(pairs, shards * SHARD_PAIRS)),
    )
    return ReferenceLogps(folder, sides)


def _shard(
    rows: Sequence[int], batch_pairs: int, logps: Logps, sides: Sequence[str]
) -> dict[str, Tensor]:
    found: list[tuple[Tensor, ...]] = []
    for first in range(0, len(rows), batch_pairs):
        found += logps(rows[first : first + batch_pairs])
    tensors: dict[str, Tensor] = {}
    for i, side in enumerate(sides):
        responses = [pair[i].float().cpu() for pair in found]
        tensors[side] = torch.cat(responses)
        lengths = torch.tensor([0, *map(len, responses)], dtype=torch.int64)
        tensors[f"{side}_starts"] = lengths.cumsum(0)
    return tensors


def _rows(number: int) -> slice:
    return slice(number * SHARD_PAIRS, (number + 1) * SHARD_PAIRS)


def _file(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:06d}.safetensors"
