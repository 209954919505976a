"""Read a pickle of plain values, in which nothing can name code.

NLTK's tagger was published as a pickle of dicts, lists, sets, strings and numbers.
"""

import io
import pickle
import pickletools
from typing import Any

from harness.errors import DataError, in_words

SETS = {("__builtin__", "set"), ("builtins", "set")}
"""What a set is called in pickles of Python 2 and 3."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[set[Any]]:
        """Return `set`: the only thing that a pickle may import or call."""
        if (module, name) in SETS:
            return set
        raise pickle.UnpicklingError(f"it names code: {module} {name}")


def read_plain_pickle(content: bytes, name: str) -> Any:
    """Return the value in a pickle of plain values.

    Raises:
        DataError: The pickle is damaged or holds anything else.
    """
    try:
        _refuse_shortcuts(content)
        return _PlainUnpickler(io.BytesIO(content), encoding="latin-1").load()
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(
            f"{name}: not a pickle of plain values ({in_words(error)}). Do not use this file."
        ) from error


def _refuse_shortcuts(content: bytes) -> None:
    """Refuse what works before `find_class` is asked, or takes memory beyond the file's size."""
    for operation, argument, _ in pickletools.genops(content):
        if operation.name.startswith("EXT"):  # may come from a cache of this process
            raise pickle.UnpicklingError(f"it names code: extension {argument}")
        if operation.name.endswith("PUT") and (argument or 0) > len(content):
            raise pickle.UnpicklingError(f"no pickle of this size has a place {argument}")
