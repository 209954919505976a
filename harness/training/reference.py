"""Log-probabilities of the reference model, computed once for all methods, seeds and epochs."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.training.engine import Processes
from harness.training.policy import TokenLogps

_SIDES = ("chosen", "rejected")


class ReferenceKey(NamedTuple):
    """Everything that the numbers depend on."""

    model: str
    data: str
    template: str
    image_transform: str
    dtype: str
    max_length: int
    device: str
    versions: str

    def file(self, cache: Path) -> Path:
        """Return the place of the log-probabilities in the cache."""
        text = json.dumps(self._asdict(), sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cache / "reference" / f"{name}.safetensors"


class ReferenceLogps:
    """Per-token log-probabilities of all pairs, in nats, stored without padding."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._rows = {
            side: torch.split(tensors[side], tensors[f"{side}_lengths"].tolist()) for side in _SIDES
        }

    def of(self, rows: Sequence[int], width: int) -> TokenLogps:
        """Return both responses of these rows, padded with zeros to `width` tokens."""
        return TokenLogps(*(self._padded(side, rows, width) for side in _SIDES))

    def _padded(self, side: str, rows: Sequence[int], width: int) -> Float[Tensor, "pairs tokens"]:
        values = torch.zeros(len(rows), width)
        for i, row in enumerate(rows):
            logps = self._rows[side][row]
            values[i, : len(logps)] = logps
        return values


def ensure_reference(
    file: Path,
    pairs: int,
    batch_pairs: int,
    logps: Callable[[Sequence[int]], list[tuple[Tensor, Tensor]]],
    processes: Processes,
) -> ReferenceLogps:
    """Read the cached log-probabilities, or compute them with all ranks.

    `logps` maps rows to the unpadded values of both responses of each. A lock keeps a second run
    from computing the same file at the same time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{file}.lock")
    if processes.rank == 0:
        lock.acquire()
    try:
        processes.barrier()
        if not file.exists():
            save_file(_share(pairs, batch_pairs, logps, processes), _part(file, processes.rank))
            processes.barrier()
            if processes.rank == 0:
                _join(file, processes.count)
        processes.barrier()
    finally:
        lock.release()
    return ReferenceLogps(load_file(file))


def _share(
    pairs: int,
    batch_pairs: int,
    logps: Callable[[Sequence[int]], list[tuple[Tensor, Tensor]]],
    processes: Processes,
) -> dict[str, Tensor]:
    """Compute the contiguous share of this rank in batches."""
    start = pairs * processes.rank // processes.count
    end = pairs * (processes.rank + 1) // processes.count
    found: list[tuple[Tensor, Tensor]] = []
    for first in range(start, end, batch_pairs):
        found += logps(range(first, min(first + batch_pairs, end)))
    tensors: dict[str, Tensor] = {}
    for i, side in enumerate(_SIDES):
        rows = [pair[i].float().cpu() for pair in found]
        tensors[side] = torch.cat([torch.zeros(0), *rows])
        tensors[f"{side}_lengths"] = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return tensors


def _join(file: Path, count: int) -> None:
    parts = [load_file(_part(file, rank)) for rank in range(count)]
    whole = _part(file, -1)
    save_file({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, whole)
    whole.replace(file)
    for rank in range(count):
        _part(file, rank).unlink()


def _part(file: Path, rank: int) -> Path:
    return file.with_suffix(f".part{rank}" if rank >= 0 else ".whole")
