"""Which columns a method reads and pairs are sorted by, told without torch where code is known."""

import json
from collections.abc import Callable

from harness.errors import ConfigError
from harness.files.digests import remembered
from harness.files.sources import source_files
from harness.registry import hint, load_method, method_module
from harness.settings.spec import RunSpec


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


def column_of_order(spec: RunSpec) -> str | None:
    """Return the column by which a run sorts its pairs; None where it sorts by none.

    Raises:
        ConfigError: There is no one column that is meant, or the method does not read it.
    """
    asked, method = spec.data.order_column, spec.method
    if spec.data.order != "by_column":
        if asked is not None:
            raise ConfigError(
                f"data.order_column {asked!r} is for data.order=by_column, and data.order is "
                f"{spec.data.order!r}. Set both, or neither."
            )
        return None
    columns = sorted(columns_of(method))
    if not columns:
        raise ConfigError(
            f"data.order=by_column: method {method!r} reads no column, so there is none to sort "
            "by. Take another order, or a method that reads one."
        )
    if asked is None and len(columns) > 1:
        raise ConfigError(
            f"data.order=by_column: method {method!r} reads several columns. Say which one sorts: "
            f"--set data.order_column=NAME, one of {', '.join(columns)}."
        )
    if asked is not None and asked not in columns:
        raise ConfigError(
            f"data.order_column {asked!r}: method {method!r} reads no such column. "
            f"{hint(asked, columns)}"
        )
    return asked or columns[0]
