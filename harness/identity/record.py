"""An identity on disk: what decides a thing, beside it, since when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.errors import DataError, in_words
from harness.files.atomic import write_text
from harness.files.digests import digest_of

DIGITS = 12


@dataclass(frozen=True)
class Record:
    """What decides a training, answers or a judgement."""

    identity: Mapping[str, Any]
    made: datetime
    label: str = ""
    """What a training was called when it was begun."""

    @classmethod
    def now(cls, identity: Mapping[str, Any], label: str = "") -> Self:
        """Return the record of something that is begun now."""
        return cls(identity, datetime.now(UTC), label)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: The file is missing or damaged.
        """
        try:
            found = json.loads(file.read_text("utf-8"))
            made = datetime.fromisoformat(found["made"])
            return cls(dict(found["identity"]), made, str(found.get("label", "")))
        except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
            raise DataError(
                f"{file} cannot be read as an identity ({in_words(error)}). Restore it, or "
                f"move the folder {file.parent} away."
            ) from error

    def write(self, file: Path) -> None:
        """Write as JSON."""
        label = {"label": self.label} if self.label else {}
        made = {"made": self.made.isoformat(timespec="seconds")}
        content = {**label, **made, "identity": self.identity}
        write_text(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @property
    def since(self) -> str:
        """When it was made, for people."""
        return f"{self.made.astimezone():%Y-%m-%d %H:%M}"


def name_of(identity: Mapping[str, Any]) -> str:
    """Return the digits that name what an identity decides."""
    return digest_of(identity, DIGITS)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of all values that differ."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key}")
    return found
