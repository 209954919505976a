"""The table of formats: built-ins, and those that packages bring; found by a data set's fields."""

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata

from harness import registry
from harness.data.formats.columns import TEXTS, has_image
from harness.data.formats.format import Fields, Format
from harness.errors import DataError, MissingColumn

GROUP = "harness.formats"
_ROOM = "harness.data.formats"
BUILTIN = {
    "rlhf_v": f"{_ROOM}.rlhf_v:FORMAT",
    "dama": f"{_ROOM}.columns:DAMA",
    "rlaif_v": f"{_ROOM}.columns:RLAIF_V",
    "plain": f"{_ROOM}.columns:PLAIN",
    "align_anything": f"{_ROOM}.align_anything:FORMAT",
    "ha_dpo": f"{_ROOM}.ha_dpo:FORMAT",
    "seva": f"{_ROOM}.seva:FORMAT",
    "povid": f"{_ROOM}.povid:FORMAT",
    "vlfeedback": f"{_ROOM}.vlfeedback:FORMAT",
    "llama_factory": f"{_ROOM}.llama_factory:FORMAT",
    "ms_swift": f"{_ROOM}.ms_swift:FORMAT",
    "mdpo": f"{_ROOM}.mdpo:FORMAT",
    "trl": f"{_ROOM}.trl:FORMAT",
}
"""By name, in the order in which they are tried; the first four were there before all others."""
ORIGINAL = tuple(BUILTIN)[:4]


def formats() -> Mapping[str, Format]:
    """Return all formats by name, in the order in which they are tried: built-ins first."""
    return _formats(tuple(sys.path))


@lru_cache(maxsize=8)
def _formats(places: tuple[str, ...]) -> Mapping[str, Format]:
    """Load all formats; once for the packages that are found in these places."""
    entries = registry.entries("format", BUILTIN, GROUP)
    names = [*BUILTIN, *(name for name in entries if name not in BUILTIN)]
    return {name: registry.checked(entries[name], Format) for name in names}


def added() -> str:
    """Name the formats that packages bring, with the versions of these; empty where none does."""
    entries = registry.entries("format", BUILTIN, GROUP)
    return " ".join(
        f"{name}={metadata.version(entry.distribution)}"
        for name, entry in entries.items()
        if name not in BUILTIN
    )


def named(name: str) -> Format:
    """Return a format.

    Raises:
        ConfigError: There is none of this name.
    """
    return registry.find(name, formats(), "format")


def found(fields: Fields) -> Format | None:
    """Return the first format that a data set's fields fit, if one does."""
    return next((one for one in formats().values() if one.fits(fields)), None)


def recognised(source: str, fields: Fields) -> Format:
    """Return the first format that a data set's fields fit.

    Raises:
        MissingColumn: None does.
    """
    fitting = found(fields)
    if fitting is None:
        raise _unknown(source, fields)
    return fitting


def _unknown(source: str, fields: Fields) -> DataError:
    """Say what is missing."""
    if fields.any("messages", "conversations"):
        return MissingColumn(
            f"{source}: messages without a rejected answer; it has {', '.join(fields.kinds)}. "
            "Preference data need `chosen` and `rejected` beside them, or `rejected_response`: "
            "is this data for supervised fine-tuning?"
        )
    in_text = fields.have("text") and not fields.have(*TEXTS)
    images = () if has_image(fields) else ("image",)
    needed = (("text",) if in_text else TEXTS) + images
    missing = [name for name in needed if not fields.have(name)]
    return MissingColumn(
        f"{source}: no column {', '.join(map(repr, missing))}; it has {', '.join(fields.kinds)}. "
        f"Preference data need {', '.join((*TEXTS, 'image'))}, or the texts as JSON in 'text', or "
        f"another known format: {', '.join(formats())}. Rename fields, or force a format with "
        "data.format or --format."
    )
