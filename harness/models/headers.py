"""What a folder's safetensors files say they hold, read from their headers and never loaded."""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import DataError, in_words

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
HEADER_LIMIT = 100_000_000
"""Bytes; the format's own limit for a header."""

_POINTER = b"version https://git-lfs"
_LENGTH_BYTES = 8
_BITS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64"), 64),
}

Shapes = dict[str, tuple[int, ...]]


class Weights(NamedTuple):
    """The tensors of a checkpoint, and what is wrong with its files."""

    shapes: Shapes
    files: tuple[Path, ...]
    problems: tuple[str, ...]


def read_shapes(file: Path) -> Shapes:
    """Return the shape of every tensor of a safetensors file.

    Raises:
        DataError: The file is not whole: its size is not what its header says.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(_LENGTH_BYTES)
        if is_pointer(file):
            raise DataError("it is a pointer of git-lfs, not the file itself")
        length = int.from_bytes(start, "little")
        if len(start) < _LENGTH_BYTES or not 2 <= length <= HEADER_LIMIT:
            raise DataError("it does not begin like a safetensors file")
        if length > size - _LENGTH_BYTES:
            raise DataError(f"it is cut off after {size:,} bytes, inside its header")
        header = stream.read(length)
    try:
        shapes, data_bytes = _entries(json.loads(header))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"its header is damaged ({error})") from error
    if size != (expected := _LENGTH_BYTES + length + data_bytes):
        raise DataError(f"it has {size:,} bytes and its header speaks of {expected:,}")
    return shapes


def read_weights(folder: Path) -> Weights:
    """Read the headers of all shards that the index names, or of the only file.

    Problems name the file first; there are none when every shard is whole and holds what the
    index says. What no index names is not read by transformers, and not here.
    """
    index = folder / INDEX
    if not index.exists():
        single = folder / SINGLE
        if not single.exists():
            return Weights({}, (), (f"{index} and {single}: neither is there",))
        return _read_files({single: set()})
    try:
        return _read_files(places_in(index))
    except DataError as error:
        return Weights({}, (), (str(error),))


def places_in(index: Path) -> dict[Path, set[str]]:
    """Return the names of the tensors in each file that an index names.

    Raises:
        DataError: It is not an index of files beside it.
    """
    places: dict[Path, set[str]] = {}
    try:
        for name, file in json.loads(index.read_text("utf-8"))["weight_map"].items():
            places.setdefault(index.parent / Path(file).name, set()).add(name)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{index}: not an index of weights ({in_words(error)})") from error
    return places


def is_pointer(file: Path) -> bool:
    """Say whether a file is what git leaves without git-lfs in place of a large one."""
    with file.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def _read_files(wanted: Mapping[Path, set[str]]) -> Weights:
    """Read the named tensors; no names stand for all."""
    shapes: Shapes = {}
    problems: list[str] = []
    for file, names in wanted.items():
        if not file.exists():
            problems.append(f"{file}: it is not there, and the index names it")
            continue
        try:
            found = read_shapes(file)
        except (DataError, OSError) as error:
            problems.append(f"{file}: {error}")
            continue
        if missing := sorted(names - found.keys()):
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            problems.append(f"{file}: no {missing[0]}{more} in it, where the index puts it")
        shapes |= {name: shape for name, shape in found.items() if not names or name in names}
    return Weights(shapes, tuple(wanted), tuple(problems))


def _entries(header: Any) -> tuple[Shapes, int]:
    """Return the shapes and how many bytes of data follow the header."""
    shapes: Shapes = {}
    end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = tuple(int(side) for side in entry["shape"])
        first, last = entry["data_offsets"]
        bits = _BITS.get(entry["dtype"])
        if bits is not None and (last - first) * 8 != prod(shape) * bits:
            raise ValueError(f"{name}: {last - first} bytes for a shape of {list(shape)}")
        shapes[name] = shape
        end = max(end, last)
    return shapes, end
