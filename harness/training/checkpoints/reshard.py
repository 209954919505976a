"""Optimizer state from a checkpoint's files to the ranks that read it, however many these are."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from harness.errors import DataError
from harness.training.step.fragments import Fragment

FRAGMENTS = "fragments"
"""Entry of a file's metadata that says which weights its flat tensors hold."""

_MASTER = "master"


def resharded(
    files: Sequence[Path], wanted: Sequence[Fragment], like: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return a rank's flat tensors, put together from the files of all ranks.

    Only what this rank holds is read.

    Args:
        files: One per rank that wrote the checkpoint.
        wanted: What this rank holds.
        like: Its own tensors `<flat>.<kind>`, for shapes and padding; at least the masters.

    Raises:
        DataError: The files do not hold all of it.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(file, framework="pt")) for file in files]
        held = _by_name(opened)
        found: dict[str, Tensor] = {}
        for flat in sorted({fragment.flat for fragment in wanted}):
            mine = [fragment for fragment in wanted if fragment.flat == flat]
            found |= _flat(flat, mine, held, like[f"{flat}.{_MASTER}"])
    return found


def _by_name(opened: Sequence[Any]) -> dict[str, list[tuple[Any, Fragment]]]:
    held: dict[str, list[tuple[Any, Fragment]]] = defaultdict(list)
    for file in opened:
        for values in json.loads((file.metadata() or {}).get(FRAGMENTS, "[]")):
            fragment = Fragment(*values)
            held[fragment.name].append((file, fragment))
    return held


def _flat(
    flat: int,
    wanted: Sequence[Fragment],
    held: Mapping[str, list[tuple[Any, Fragment]]],
    like: Tensor,
) -> dict[str, Tensor]:
    """Return all kinds of one flat tensor; what no weight fills stays zero, as padding is."""
    found: dict[str, Tensor] = {}
    for fragment in wanted:
        missing = fragment.length
        for file, other, here, there in _overlapping(fragment, held.get(fragment.name, ())):
            missing -= here.stop - here.start
            for key in _kinds(file, other.flat):
                kind = key.partition(".")[2]
                source = file.get_slice(key)
                if not source.get_shape():
                    # A copy: what is read is the file's own memory, which ends with the file.
                    found[f"{flat}.{kind}"] = file.get_tensor(key).clone()
                    continue
                target = found.setdefault(f"{flat}.{kind}", _zeros(like))
                target.view(-1)[here] = _elements(file, key, source, there)
        if missing:
            raise DataError(
                f"The checkpoint lacks {missing} of {fragment.length} elements of "
                f"{fragment.name}. Remove its folder to go on from the one before it, or anew."
            )
    return found


def _overlapping(
    wanted: Fragment, held: Sequence[tuple[Any, Fragment]]
) -> Iterator[tuple[Any, Fragment, slice, slice]]:
    """Yield who holds which part of a fragment; a part that several hold is read once."""
    done = wanted.start
    for file, other in sorted(held, key=lambda one: one[1].start):
        rest = wanted._replace(
            start=done,
            offset=wanted.offset + done - wanted.start,
            length=wanted.start + wanted.length - done,
        )
        if rest.length > 0 and (overlap := rest.overlap(other)):
            here, there = overlap
            if here.start != rest.offset:
                return  # a gap: told as missing
            yield file, other, here, there
            done += here.stop - here.start


def _kinds(file: Any, flat: int) -> list[str]:
    return [key for key in file.keys() if key.startswith(f"{flat}.")]  # noqa: SIM118  # no mapping


def _elements(file: Any, key: str, source: Any, part: slice) -> Tensor:
    # Without ZeRO a weight stands in its own shape.
    elements: Tensor = (
        source[part] if len(source.get_shape()) == 1 else file.get_tensor(key).view(-1)[part]
    )
    return elements


def _zeros(like: Tensor) -> Tensor:
    return like.new_zeros(like.shape, device="cpu")
