"""Several sources of pairs in one text: `a.parquet#1000 + owner/name#weight=0.5&seed=3`."""

import os
import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from harness.errors import ConfigError

PLUS = " + "
_COUNT = re.compile(r"[0-9]+")


class MixedSource(BaseModel):
    """One source, and how much of it is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    place: str
    """A path or a name on the hub."""
    pairs: PositiveInt | None = None
    """At most so many, drawn by chance."""
    weight: float = Field(default=1.0, gt=0)
    """How often the pairs count: 0.5 draws half of them, 2 takes each twice."""
    seed: NonNegativeInt = 0
    """Of what is drawn."""

    def __str__(self) -> str:
        words = [
            f"{name}={value}"
            for name, value in self.model_dump(exclude={"place"}, exclude_defaults=True).items()
        ]
        return f"{self.place}#{'&'.join(words)}" if words else self.place


def sources_of(preferences: str) -> tuple[MixedSource, ...]:
    """Return the sources that a text names; one that names a file on this disk is that file.

    Raises:
        ConfigError: What follows a `#` is not understood.
    """
    if os.path.exists(preferences):
        return (MixedSource(place=preferences),)
    return tuple(map(_source, preferences.split(PLUS)))


def places_of(preferences: str) -> Iterator[str]:
    """Yield the paths and names that a text names."""
    yield from (source.place for source in sources_of(preferences))


def _source(text: str) -> MixedSource:
    text = text.strip()
    place, mark, told = text.rpartition("#")
    if not mark or os.path.exists(text):
        return MixedSource(place=text)
    if _COUNT.fullmatch(told):
        told = f"pairs={told}"
    try:
        words = [word.split("=") for word in told.split("&")]
        return MixedSource.model_validate({**dict(words), "place": place})
    except ValueError as error:  # pydantic's too
        raise ConfigError(
            f"data.preferences {text}: {told!r} is not understood. Write #1000 for at most so many "
            "pairs, or #pairs=1000&weight=0.5&seed=3, each of them if need be."
        ) from error
