"""Which columns a method reads, told without torch where its code is known."""

import json

from harness.files.digests import remembered
from harness.files.sources import source_files
from harness.registry import load_method, method_module


def columns_of(method: str) -> frozenset[str]:
    """Return the columns that a method reads; it is imported once while its code does not change.

    With it torch is, which takes longer than to look at inputs or at what is finished.

    Raises:
        ConfigError: There is no such method, or its package cannot be loaded.
    """
    module = method_module(method)
    told = remembered(
        lambda: source_files(module).values(),
        lambda: json.dumps(sorted(load_method(method).columns)),
        f"columns of {method}",
    )
    return frozenset(json.loads(told))
