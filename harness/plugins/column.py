"""What every column keeps to, on a few made pairs."""

import base64
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from harness import registry
from harness.data.columns.catalog import column_of_any_kind, computable
from harness.data.columns.column import TokenColumn
from harness.data.columns.computing import compute, compute_spans, decided_by
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError, DataError, HarnessError
from harness.llm.messages import ChatSettings
from harness.settings.spec import HardnessSpec
from harness.training.contract.check import Check, Result
from harness.world.shipped import FOLDER

CLIP = f"local-dir:{FOLDER / '0' / 'clip'}"
"""A tiny CLIP that comes with the harness."""
_NUMBERS = "one finite number for every pair"
_SPANS = "spans in both responses of every pair"
_COLOURS = ("red", "green", "blue", "white", "yellow", "black")


def check_column(name: str) -> Iterator[Check]:
    """Yield every check of a column as soon as it is done.

    Raises:
        ConfigError: No package brings a column of this name.
    """
    entry = registry.find(name, computable(), "column")
    try:
        per_token = isinstance(column_of_any_kind(name), TokenColumn)
    except ConfigError as error:
        yield Check("loads", Result.FAILS, str(error))
        return
    yield Check("loads", Result.OK, f"{entry.target} of package {entry.distribution!r}")
    with tempfile.TemporaryDirectory() as place:
        pairs, hardness = made_pairs(Path(place)), HardnessSpec(clip=CLIP)
        try:
            decided = decided_by(name, pairs.digest, hardness)
            yield Check("decided", Result.OK, f"by {len(decided)} values, and by the pairs")
            compute_it = compute_spans if per_token else _numbers
            first, again = (
                _values(name, compute_it, pairs, hardness, Path(place) / str(time))
                for time in range(2)
            )
            yield Check("numbers", Result.OK, _SPANS if per_token else _NUMBERS)
            yield _repeated(name, first, again)
        except HarnessError as error:
            yield Check("numbers", Result.FAILS, str(error))


def made_pairs(folder: Path) -> Preferences:
    """Write six pairs with pictures of one colour each, and open them."""
    rows = [
        {
            "idx": str(number),
            "question": f"What colour has picture {number}?",
            "chosen": f"It is {colour}. Nothing else is there.",
            "rejected": "It is a dog." + " It runs." * number,
            "origin_split": json.dumps({"errors": number + 1}),
            "chosen_reward": 1.0,
            "rejected_reward": -float(number),
            "rejected_severity": float(number),
            "image": _picture(colour),
        }
        for number, colour in enumerate(_COLOURS)
    ]
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Preferences(file)


def _picture(colour: str) -> str:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _numbers(name: str, pairs: Preferences, *settings: Any) -> list[float]:
    return compute(name, pairs, *settings)[0]


def _values(
    name: str,
    compute_it: Callable[..., list[Any]],
    pairs: Preferences,
    hardness: HardnessSpec,
    cache: Path,
) -> list[Any]:
    told: list[int] = []
    values = compute_it(name, pairs, hardness, cache, ChatSettings(), told.append)
    if sum(told) not in (0, len(pairs)):
        raise DataError(
            f"column {name!r}: tells `advance` of {sum(told)} pairs, and there are {len(pairs)}. "
            "Call advance(1) once for each."
        )
    return values


def _repeated(name: str, first: list[Any], again: list[Any]) -> Check:
    if first == again:
        return Check("repeats", Result.OK, "the same pairs give the same numbers")
    said = f"column {name!r}: the same pairs give other numbers the second time; let no chance in."
    return Check("repeats", Result.FAILS, said)
