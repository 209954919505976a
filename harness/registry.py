"""Find methods and benchmarks by name: built-ins from a table, others from entry points.

Names are listed without importing what they name, so `--help` and `list` need no torch.
Nothing is registered by being imported.
"""

import difflib
import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ConfigError, missing

if TYPE_CHECKING:
    from benchmarks.types import Benchmark
    from methods.types import Method

METHODS = "harness.methods"
BENCHMARKS = "harness.benchmarks"
BUILT_IN = "alignment-harness"

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A name that can be loaded."""

    kind: str
    """What it names, as written in messages: method or benchmark."""
    name: str
    target: str
    """As `module:attribute`."""
    distribution: str
    """The installed package that brings it."""

    @property
    def module(self) -> str:
        """The module part of the target."""
        return self.target.partition(":")[0]

    def load(self) -> object:
        """Import the value; a package that cannot be imported is an error that names it."""
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (
            Exception,
            SystemExit,
        ) as error:  # whatever somebody's module does when it is imported
            if isinstance(error, ModuleNotFoundError) and (lacking := missing(error)):
                raise lacking from error
            known = isinstance(error, ImportError | AttributeError)
            told = f"{error}" if known else repr(error)
            raise ConfigError(
                f"{self.kind} {self.name!r} of package {self.distribution!r} cannot be loaded from "
                f"{self.target}: {told}. Repair or uninstall the package."
            ) from error


def methods() -> Mapping[str, Entry]:
    """Return all methods by name, sorted, none of them imported."""
    from methods.catalog import BUILTIN

    return entries("method", BUILTIN, METHODS)


def benchmarks() -> Mapping[str, Entry]:
    """Return all benchmarks by name, sorted, none of them imported."""
    from benchmarks.catalog import BUILTIN

    return entries("benchmark", BUILTIN, BENCHMARKS)


def method_names() -> tuple[str, ...]:
    """Return the names of all methods, sorted."""
    return tuple(methods())


def benchmark_names() -> tuple[str, ...]:
    """Return the names of all benchmarks, sorted."""
    return tuple(benchmarks())


def load_method(name: str) -> "Method[Any, Any]":
    """Import one method; an unknown name is an error that offers the nearest one.

    Raises:
        ConfigError: There is no such method, or it cannot be imported; `MissingPackage` where the
            extra with torch is not installed.
    """
    entry = find(name, methods(), "method")
    try:
        from methods.types import Method
    except ModuleNotFoundError as error:
        raise missing(error) or error from error

    return checked(entry, Method)


def method_module(name: str) -> str:
    """Return the module that holds a method; it is not imported."""
    return find(name, methods(), "method").module


def benchmark_module(name: str) -> str:
    """Return the module that holds a benchmark; it is not imported."""
    return find(name, benchmarks(), "benchmark").module


def load_benchmark(name: str) -> "Benchmark[Any]":
    """Import one benchmark; an unknown name is an error that offers the nearest one."""
    entry = find(name, benchmarks(), "benchmark")
    from benchmarks.types import Benchmark

    return checked(entry, Benchmark)


def find(name: str, known: Mapping[str, T], kind: str) -> T:
    """Return the value under a name, or raise with the nearest name and all of them."""
    if name not in known:
        raise ConfigError(f"Unknown {kind} {name!r}. {hint(name, known)}")
    return known[name]


def hint(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name, if any is near, and then all known names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{guess}Known: {', '.join(names) or 'none'}."


def entries(kind: str, built_in: Mapping[str, str], group: str) -> dict[str, Entry]:
    """Return built-ins and what packages bring under an entry point, sorted, none imported."""
    found = {name: Entry(kind, name, target, BUILT_IN) for name, target in built_in.items()}
    for point in _points(group, tuple(sys.path)):
        owner = point.dist.name if point.dist else "unknown"
        if point.name in found:
            raise ConfigError(
                f"Two packages bring a {kind} {point.name!r}: {found[point.name].distribution!r} "
                f"and {owner!r}. Uninstall one of them."
            )
        found[point.name] = Entry(kind, point.name, point.value, owner)
    return dict(sorted(found.items()))


@lru_cache(maxsize=8)
def _points(group: str, places: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """Return what installed packages bring; all of them are looked through once for `sys.path`."""
    return tuple(metadata.entry_points(group=group))


def checked(entry: Entry, kind: type[T]) -> T:
    """Import an entry, which must be of a type and call itself by its name."""
    value = entry.load()
    where = f"{entry.target} of package {entry.distribution!r}"
    if not isinstance(value, kind):
        raise ConfigError(
            f"{where} is of type {type(value).__name__}, not {kind.__name__}, so it cannot be the "
            f"{entry.kind} {entry.name!r}. Register a value `{kind.__name__}(...)`."
        )
    name = getattr(value, "name", None)
    if name != entry.name:
        raise ConfigError(
            f"{where} is registered as {entry.name!r} but calls itself {name!r}. "
            "Give both the same name."
        )
    return value
