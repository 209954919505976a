"""Ids of samples: how several are named, and what is wrong with those of no sample."""

import re
from collections.abc import Iterable, Sequence

from benchmarks.types import Sample, SampleId

SHOWN = 60
"""Characters of an id in a message."""
_NUMBER = re.compile(r"(\d+)\D*$")


def several(ids: Sequence[SampleId]) -> str:
    """Name the first ten of the samples and count the rest."""
    shown = ", ".join(
        text if len(text := repr(key)) <= SHOWN else f"{text[:SHOWN]}..." for key in ids[:10]
    )
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"{'sample' if len(ids) == 1 else 'samples'} {shown}{more}"


def text_ids(samples: Sequence[Sample]) -> dict[str, SampleId]:
    """Return the ids by their text, as keys of a JSON object are text where ids are numbers."""
    return {str(sample.id): sample.id for sample in samples}


def bare_ids(samples: Sequence[Sample]) -> dict[str, SampleId]:
    """Return the ids by the number behind what they have in common; nothing for numeric ids.

    MM-Vet's `v1_12` is `12` in the files that LLaVA's scripts write before they convert them.
    """
    names = [sample.id for sample in samples if isinstance(sample.id, str)]
    start = names[0].rstrip("0123456789") if len(names) == len(samples) else ""
    bare: dict[str, SampleId] = {name.removeprefix(start): name for name in names}
    return bare if start and all(key.isdecimal() for key in bare) else {}


def hint_about_ids(unknown: Sequence[SampleId], known: Iterable[SampleId], given: int) -> str:
    """Say what is likely wrong with ids of no sample.

    Args:
        unknown: Ids that the benchmark lacks.
        known: Those that it has.
        given: How many ids there are in the file.
    """
    ids = list(known)
    texts = {str(key): key for key in ids}
    other = next((key for key in unknown if str(key) in texts), None)
    if other is not None:
        kind = "numbers" if isinstance(texts[str(other)], int) else "text"
        return (
            f" Ids must be text or numbers as in the benchmark's own file, here {kind}: "
            f"{texts[str(other)]!r}, not {other!r}."
        )
    numbers = {number: key for key in ids if (number := _number(key)) is not None}
    spelled = {key: numbers[n] for key in unknown if (n := _number(key)) in numbers}
    if len(spelled) == len(unknown):
        first = unknown[0]
        return (
            f" If {first!r} is meant to be {spelled[first]!r}, write the ids as the benchmark's "
            "own file does; if not, this is the file of another benchmark."
        )
    return " Is this the file of another benchmark?" if len(unknown) == given else ""


def _number(key: SampleId) -> int | None:
    """Return the last number in an id, as in AMBER_12.jpg."""
    found = _NUMBER.search(str(key)[-SHOWN:])
    return int(found[1]) if found else None
