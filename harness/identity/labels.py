"""What a row of a table is called: its method, and whatever else tells it from the others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import HarnessError
from harness.files.digests import text_digest
from harness.identity.record import differences, name_of
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec

_GREEK = {"beta": "β"}
_CONTENTS = {
    "data.content": "data",
    "model.content": "model",
    "method.source": "code",
    "data.hardness.clip": "clip",
}
"""What stands for a place in an identity -> what the mark of a row calls it."""
_MARK = 6


def label_of(spec: RunSpec) -> str:
    """Return such as `dama released` or `dpo β=0.2`: what differs from the preset.

    What the machine decides does not differ. Of a method that is not installed, or whose preset
    is gone, nothing is known that a value could differ from.
    """
    return label_with(spec, changes_of(spec))


def label_with(spec: RunSpec, changed: Sequence[str]) -> str:
    """Return the same, of values that are known to differ from the preset's."""
    return f"{spec.label} {', '.join(changed)}" if changed else spec.label


def changes_of(spec: RunSpec) -> list[str]:
    """Return the values that differ from the preset's, as `key=value`."""
    try:
        preset = resolve(spec.method, spec.size, spec.variant, seed=spec.seed).spec.settings()
    except HarnessError:
        return []
    own = spec.settings()
    return [
        f"{_short(key)}={json.dumps(_value(own, key), ensure_ascii=False)}"
        for key in differences(preset, own)
        if key != "training.devices"
    ]


def variant_of(variant: str | None, changed: Sequence[str]) -> str | None:
    """Return what tells runs of one method apart in file names and in the CSV."""
    hashed = "changed-" + text_digest("\0".join(changed), digits=_MARK) if changed else None
    return "-".join(mark for mark in (variant, hashed) if mark) or None


def rows_of(identity: Mapping[str, Any]) -> str:
    """Return a name of what the runs of one row share: all but the seed."""
    return name_of({key: value for key, value in identity.items() if key != "seed"})


def marks(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return what tells one training from another of the same label, such as `data 3fa2c1`."""
    keys = [key for key in differences(other, one) if key != "seed"]
    told = [f"{_CONTENTS.get(key, key)} {str(_value(one, key))[:_MARK]}" for key in keys]
    return ", ".join(told)


def _short(key: str) -> str:
    section, _, rest = key.partition(".")
    return _GREEK.get(rest, rest) if section in ("method", "training") else key


def _value(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
