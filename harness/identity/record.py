"""An identity on disk: what decides a thing, beside it, since when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.errors import DataError
from harness.files.atomic import write_text
from harness.files.digests import digest_of

DIGITS = 12


@dataclass(frozen=True)
class Record:
    """What decides a training, answers or a judgement."""

    identity: Mapping[str, Any]
    made: datetime

    @classmethod
    def now(cls, identity: Mapping[str, Any]) -> Self:
        """Return the record of something that is begun now."""
        return cls(identity, datetime.now(UTC))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: The file is missing or damaged.
        """
        try:
            found = json.loads(file.read_text("utf-8"))
            return cls(dict(found["identity"]), datetime.fromisoformat(found["made"]))
        except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
            raise DataError(f"{file} cannot be read as an identity ({error!r}).") from error

    def write(self, file: Path) -> None:
        """Write as JSON."""
        content = {"made": self.made.isoformat(timespec="seconds"), "identity": self.identity}
        write_text(file, json.dumps(content, indent=2) + "\n")

    @property
    def since(self) -> str:
        """When it was made, for people."""
        return f"{self.made.astimezone():%Y-%m-%d %H:%M}"


def name_of(identity: Mapping[str, Any]) -> str:
    """Return the digits that name what an identity decides."""
    return digest_of(identity, DIGITS)
