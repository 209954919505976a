"""Which columns a method reads, told without torch where its code is known."""

import json
from collections.abc import Callable

from harness.files.digests import remembered
from harness.files.sources import source_files
from harness.registry import load_method, method_module


def columns_of(method: str) -> frozenset[str]:
    """Return the columns that a method reads; it is imported once while its code does not change.

    With it torch is, which takes longer than to look at inputs or at what is finished.

    Raises:
        ConfigError: There is no such method, or its package cannot be loaded.
    """
    return _told(method, "columns", lambda: load_method(method).columns)


def token_columns_of(method: str) -> frozenset[str]:
    """Return the token columns that a method reads, in the same way.

    Raises:
        ConfigError: There is no such method, or its package cannot be loaded.
    """
    return _told(method, "token columns", lambda: load_method(method).token_columns)


def _told(method: str, what: str, look: Callable[[], frozenset[str]]) -> frozenset[str]:
    module = method_module(method)
    told = remembered(
        lambda: source_files(module).values(),
        lambda: json.dumps(sorted(look())),
        f"{what} of {method}",
    )
    return frozenset(json.loads(told))
