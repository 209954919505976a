"""Write prepared pairs in the layout of another tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.data.pairs.export import write_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.source import locate
from harness.data.writers.columns import Columns
from harness.data.writers.llama_factory import write_llama_factory
from harness.data.writers.trl import write_trl
from harness.errors import ConfigError
from harness.registry import find
from harness.settings.mixing import places_of


@dataclass(frozen=True)
class Writer:
    """A layout."""

    write: Callable[[Preferences, Columns, Path], None]
    is_folder: bool


WRITERS: Mapping[str, Writer] = {
    "trl": Writer(write_trl, is_folder=False),
    "llamafactory": Writer(write_llama_factory, is_folder=True),
    "parquet": Writer(write_pairs, is_folder=False),
}
"""By the name that `export --to` takes."""


def write_as(name: str, pairs: Preferences, computed: Columns, target: Path) -> Path:
    """Write pairs with their columns; return the file or the folder.

    Args:
        name: The layout.
        pairs: What is written.
        computed: Columns that the data do not hold.
        target: A file, or a folder for one; of `llamafactory` always the folder.

    Raises:
        ConfigError: The layout is unknown, or there is something that would be overwritten.
    """
    writer = find(name, WRITERS, "layout")
    place = target if writer.is_folder or target.suffix else target / f"{name}.parquet"
    own = {file.resolve() for one in places_of(str(pairs.source)) for file in locate(one).files}
    if place.resolve() in own:
        raise ConfigError(f"--out {place}: this is the data itself. Name another file.")
    if place.exists():
        raise ConfigError(f"--out {place}: is there already. Name another, or remove it.")
    writer.write(pairs, computed, place)
    return place
