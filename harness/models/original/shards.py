"""Read the weights of one file lazily, and write many into safetensors files of bounded size."""

import json
import pickle
from collections.abc import Collection, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.errors import DataError
from harness.files.atomic import write_text
from harness.models.headers import INDEX, Shapes, read_shapes

SHARD_BYTES = 2_000_000_000
"""Weights in memory at a time, and the size of a written file."""


def shapes_in(file: Path) -> Shapes:
    """Return the shape of every tensor of a safetensors file or of a pickle of tensors.

    Raises:
        DataError: The file is damaged, or a pickle of anything else.
    """
    if file.suffix == ".safetensors":
        return read_shapes(file)
    return {name: tuple(weight.shape) for name, weight in _unpickled(file).items()}


def load(file: Path, names: Collection[str]) -> Iterator[tuple[str, Tensor]]:
    """Yield the named tensors, each read from the disk when it is asked for.

    Raises:
        DataError: As `shapes_in`.
    """
    if file.suffix == ".safetensors":
        with safe_open(file, framework="pt") as stored:
            for name in names:
                yield name, stored.get_tensor(name)
    else:
        tensors = _unpickled(file)
        for name in names:
            yield name, tensors[name].contiguous()


def write_shards(weights: Iterator[tuple[str, Tensor]], folder: Path) -> None:
    """Write safetensors files and their index; one file's worth of weights is held at a time."""
    places: dict[str, str] = {}
    held: dict[str, Tensor] = {}
    total = 0

    def flush() -> None:
        if held:
            name = f"model-{len(set(places.values())) + 1:05d}.safetensors"
            save_file(held, folder / name, metadata={"format": "pt"})
            places.update(dict.fromkeys(held, name))
            held.clear()

    for name, weight in weights:
        if sum(one.nbytes for one in held.values()) + weight.nbytes > SHARD_BYTES:
            flush()
        held[name] = weight
        total += weight.nbytes
    flush()
    index = {"metadata": {"total_size": total}, "weight_map": places}
    write_text(folder / INDEX, json.dumps(index, indent=2, sort_keys=True) + "\n")


def _unpickled(file: Path) -> dict[str, Tensor]:
    """Map a file of torch.save into memory.

    A pickle may run any code when it is read. With `weights_only` torch reads it with a machine of
    its own that knows how to build tensors and plain containers and refuses everything else, so
    that nothing is run. The original LLaVA and its CLIP are published in this form alone.
    """
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            "it holds more than tensors and is not read, for that could run code; get a copy of "
            "the model with safetensors"
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise DataError(f"it is damaged or of an old format ({error})") from error
    if not isinstance(tensors, dict) or not all(
        isinstance(weight, Tensor) for weight in tensors.values()
    ):
        raise DataError("it is not a table of tensors by name")
    return tensors
