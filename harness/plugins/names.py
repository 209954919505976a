"""Names that a plug-in may have."""

import difflib
import keyword
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import resources

from harness import registry
from harness.data.columns.catalog import computable
from harness.data.formats.columns import TEXTS
from harness.errors import ConfigError
from harness.settings.preset_files import BUILT_IN

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FIELDS = {*TEXTS, "image", "image_path", "idx", "text"}
"""What rows of preference data hold anyway."""


class Kind(StrEnum):
    """What a package can bring."""

    METHOD = "method"
    BENCHMARK = "benchmark"
    COLUMN = "column"

    def registered(self) -> Mapping[str, registry.Entry]:
        """Return all that there are by name, none of them imported."""
        known = {
            Kind.METHOD: registry.methods,
            Kind.BENCHMARK: registry.benchmarks,
            Kind.COLUMN: computable,
        }
        return known[self]()


def require_free(kind: Kind, name: str) -> list[str]:
    """Refuse a name that a new plug-in cannot have; return the registered ones that are near it.

    Raises:
        ConfigError: It is no identifier in small letters, or it is taken.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        legal = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_")
        guess = f" Did you mean {legal!r}?" if _NAME.fullmatch(legal) and legal != name else ""
        raise ConfigError(
            f"{kind} {name!r}: a name has small letters, digits and _, begins with a letter, has "
            f"at most 40 characters and is no word of Python.{guess}"
        )
    known = kind.registered()
    near = [one for one in difflib.get_close_matches(name, known, n=4) if one != name]
    if name in known:
        beside = f" Near it are {', '.join(near)}." if near else ""
        raise ConfigError(
            f"{kind} {name!r}: package {known[name].distribution!r} brings one of this name."
            f"{beside} Choose another name; python -m harness list {kind}s shows all."
        )
    if name in _reserved(kind):
        raise ConfigError(f"{kind} {name!r}: the harness uses this name. Choose another one.")
    return near


def _reserved(kind: Kind) -> Iterable[str]:
    if kind is Kind.COLUMN:
        return {*_FIELDS, *(f"{name}_mean" for name in computable())}
    if kind is Kind.METHOD:
        # A preset that extends `base-tiny` cannot have this name itself.
        files = resources.files(BUILT_IN).iterdir()
        return {file.name.removesuffix(".yaml").partition("-")[0] for file in files}
    return ()
