"""Read a pickle of plain values without unpickling it.

NLTK's tagger was published as a pickle of dicts, lists, sets, strings and numbers. The reader
below interprets just the instructions that such values need; nothing in the file can name code.
"""

import pickletools
from collections.abc import Callable
from typing import Any

from harness.errors import DataError

LITERALS = {
    "SHORT_BINSTRING",
    "BINSTRING",
    "BINUNICODE",
    "BINFLOAT",
    "BININT",
    "BININT1",
    "BININT2",
}
STORES = {"BINPUT", "LONG_BINPUT"}
LOADS = {"BINGET", "LONG_BINGET"}
_MARK = object()
_SET = object()


def read_plain_pickle(content: bytes, name: str) -> Any:
    """Return the value in a pickle of plain values.

    Raises:
        DataError: The pickle is damaged or holds anything else.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        for operation, argument, _ in pickletools.genops(content):
            code = operation.name
            if code in LITERALS:
                stack.append(argument)
            elif code in STORES:
                memo[argument] = stack[-1]
            elif code in LOADS:
                stack.append(memo[argument])
            elif code == "GLOBAL":
                stack.append(_only_set(argument, name))
            elif code not in ("PROTO", "STOP"):
                _STEPS[code](stack)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise DataError(f"{name}: not a pickle of plain values ({error!r})") from error
    return stack[-1]


def _only_set(argument: str | None, name: str) -> object:
    if argument not in ("__builtin__ set", "builtins set"):
        raise DataError(f"{name}: the pickle names code: {argument!r}. Do not use this file.")
    return _SET


def _after_mark(stack: list[Any]) -> list[Any]:
    """Take what stands above the last mark, and the mark."""
    position = len(stack) - 1
    while stack[position] is not _MARK:
        position -= 1
    values = stack[position + 1 :]
    del stack[position:]
    return values


def _set_items(stack: list[Any]) -> None:
    values = _after_mark(stack)
    stack[-1].update(zip(values[::2], values[1::2], strict=True))


def _set_item(stack: list[Any]) -> None:
    key, value = _take(stack, 2)
    stack[-1][key] = value


def _appends(stack: list[Any]) -> None:
    values = _after_mark(stack)
    stack[-1].extend(values)


def _append(stack: list[Any]) -> None:
    (value,) = _take(stack, 1)
    stack[-1].append(value)


def _reduce(stack: list[Any]) -> None:
    maker, arguments = _take(stack, 2)
    if maker is not _SET:
        raise TypeError("something other than a set is called")
    stack.append(set(*arguments))


def _take(stack: list[Any], count: int) -> list[Any]:
    values = stack[-count:]
    del stack[-count:]
    return values


_STEPS: dict[str, Callable[[list[Any]], None]] = {
    "MARK": lambda stack: stack.append(_MARK),
    "EMPTY_DICT": lambda stack: stack.append({}),
    "EMPTY_LIST": lambda stack: stack.append([]),
    "EMPTY_TUPLE": lambda stack: stack.append(()),
    "TUPLE1": lambda stack: stack.append(tuple(_take(stack, 1))),
    "TUPLE2": lambda stack: stack.append(tuple(_take(stack, 2))),
    "TUPLE3": lambda stack: stack.append(tuple(_take(stack, 3))),
    "TUPLE": lambda stack: stack.append(tuple(_after_mark(stack))),
    "NONE": lambda stack: stack.append(None),
    "SETITEMS": _set_items,
    "SETITEM": _set_item,
    "APPENDS": _appends,
    "APPEND": _append,
    "REDUCE": _reduce,
}
