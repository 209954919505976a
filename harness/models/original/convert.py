"""Convert the layout of liuhaotian/llava-v1.5-7b into that of Hugging Face, once, in the cache.

The result is what transformers calls a LLaVA: the language model and the projector of the
checkpoint, and the CLIP tower that its configuration names. The vocabulary grows as in the
conversions on the hub: `<image>` and `<pad>` get the next two ids, and rows are added up to a
multiple of 64 (32,000 -> 32,064). A new row, of the embeddings and of the head, is the mean of the
old ones; the published conversion draws it from a narrow normal distribution around that mean. No
response holds a new id, the image features take the place of `<image>`, and log-probabilities
differ from the original code's by the share that a softmax gives to 64 average tokens.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.errors import DataError
from harness.files.atomic import written
from harness.files.cache import cache_dir
from harness.files.digests import content_digest
from harness.files.locks import FileLock
from harness.models.headers import Shapes
from harness.models.original.config import llava_config, write_readers
from harness.models.original.layout import computed, renamed, weight_files
from harness.models.original.shards import load, shapes_in, write_shards
from harness.models.verify import check_model
from harness.models.weight_shapes import weight_problems

VERSION = 1
"""Part of the name in the cache; a conversion that writes something else gets another."""

_VOCABULARY = ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight")
_TOWER = "vision_tower."


class _Part(NamedTuple):
    """A file of weights, with the new names of those that are taken from it."""

    file: Path
    names: Mapping[str, str]
    shapes: Shapes
    """By new name, as they are in the file."""


def converted(folder: Path, config: Mapping[str, Any], find: Callable[[str], Path]) -> Path:
    """Return the folder in the cache that holds the model in the Hugging Face layout.

    Its name is a hash of all that it is made of. It appears complete or not at all.

    Args:
        folder: A checkpoint without problems, by `check_model`.
        config: Its config.json.
        find: Returns the folder of the vision tower by its name.

    Raises:
        DataError: Weights are missing or of another shape, or there is no room; all is told
            before anything is written.
    """
    tower = find(config["mm_vision_tower"])
    digest = content_digest(lambda: [*_inputs(folder), *_inputs(tower)])
    target = cache_dir() / "models" / f"llava-{digest[:16]}-v{VERSION}"
    target.parent.mkdir(exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not target.exists():
            _convert(folder, config, tower, target)
    return target


def _inputs(folder: Path) -> list[Path]:
    kinds = ("*.json", "*.model", "*.safetensors", "*.bin")
    return sorted(file for kind in kinds for file in folder.glob(kind))


def _convert(folder: Path, config: Mapping[str, Any], tower: Path, target: Path) -> None:
    ours = llava_config(folder, config, tower)
    parts = _parts(folder, tower, ours.to_dict(), config["vocab_size"])
    _require_room(parts, target.parent)
    try:
        with written(target, one_writer=True) as partial:
            partial.mkdir()
            write_readers(folder, tower, ours, partial)
            write_shards(_weights(parts, ours.text_config.vocab_size), partial)
            if problems := check_model(partial):
                raise DataError("\n".join([f"{folder}: its conversion is not whole:", *problems]))
    except OSError as error:
        raise DataError(
            f"{target.parent}: the converted model cannot be written ({error}). Make room, or move "
            "the cache with HARNESS_CACHE."
        ) from error


def _parts(
    folder: Path, tower: Path, config: Mapping[str, Any], vocabulary: int
) -> Sequence[_Part]:
    """Plan what is taken from which file, and compare it with the configuration.

    Raises:
        DataError: Something is missing, too much, or of another shape.
    """
    parts, problems = _planned(folder, renamed, strict=True)
    if not any(name.startswith(_TOWER) for part in parts for name in part.shapes):
        clip, more = _planned(
            tower, lambda name: _TOWER + name if name.startswith("vision_model.") else None
        )
        parts, problems = [*parts, *clip], [*problems, *more]
    shapes = {name: shape for part in parts for name, shape in part.shapes.items()}
    before = {**config, "text_config": {**config["text_config"], "vocab_size": vocabulary}}
    if not problems:
        problems = [f"{folder}: {one}" for one in weight_problems(before, shapes)]
    if problems:
        listed = "".join(f"\n- {one}" for one in problems)
        raise DataError(
            f"{folder} (vision tower {tower}): this LLaVA cannot be converted:{listed}\n"
            "Names are those of the Hugging Face layout. Fetch the model and its vision tower "
            "again, or use a conversion of the hub: --set model.path=llava-hf/llava-1.5-7b-hf"
        )
    return parts


def _planned(
    folder: Path, rename: Callable[[str], str | None], *, strict: bool = False
) -> tuple[list[_Part], list[str]]:
    """Return the parts of a folder; with `strict`, a weight without a new name is a problem."""
    files, found = weight_files(folder)
    parts, problems = [], list(found)
    for file in [] if problems else files:
        try:
            shapes = shapes_in(file)
        except DataError as error:
            problems.append(f"{file}: {error}")
            continue
        names = {name: new for name in shapes if not computed(name) and (new := rename(name))}
        unknown = sorted(name for name in shapes if name not in names and not computed(name))
        if strict and unknown:
            problems.append(f"{file}: the weight {unknown[0]} is not one of a LLaVA-1.5")
        parts.append(_Part(file, names, {new: shapes[name] for name, new in names.items()}))
    return parts, problems


def _require_room(parts: Sequence[_Part], place: Path) -> None:
    needed = sum(part.file.stat().st_size for part in parts)
    if (free := shutil.disk_usage(place).free) < needed:
        raise DataError(
            f"{place}: {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB needed for the converted "
            "model. Make room, or move the cache with HARNESS_CACHE."
        )


def _weights(parts: Sequence[_Part], rows: int) -> Iterator[tuple[str, Tensor]]:
    for part in parts:
        for name, weight in load(part.file, part.names):
            new = part.names[name]
            yield new, padded(weight, rows) if new in _VOCABULARY else weight


def padded(weight: Tensor, rows: int) -> Tensor:
    """Return the weight with the mean of its rows appended until there are `rows`."""
    mean = weight.float().mean(dim=0, keepdim=True).to(weight.dtype)
    return torch.cat([weight, mean.expand(rows - len(weight), -1)])
