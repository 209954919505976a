"""What counts of Python code."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple


class _Span(NamedTuple):
    """A piece of a text: rows from zero, columns in bytes."""

    row: int
    column: int
    end_row: int
    end_column: int


@cache
def stripped(text: str) -> str:
    """Return Python code without comments, bare strings and blank lines.

    By their places in the text, and not by writing the code anew, which every version of Python
    does in a way of its own.
    """
    lines = text.encode().splitlines()
    for span in sorted((*_comments(text), *_bare_strings(text)), reverse=True):
        rest = lines[span.end_row][span.end_column :]
        lines[span.row : span.end_row + 1] = [lines[span.row][: span.column] + rest]
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode()


def _comments(text: str) -> Iterator[_Span]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row = token.start[0] - 1
            places = (token.start[1], token.end[1])
            first, end = (len(token.line[:place].encode()) for place in places)
            yield _Span(row, first, row, end)


def _bare_strings(text: str) -> Iterator[_Span]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        end_row, end_column = node.end_lineno, node.end_col_offset
        if isinstance(node.value.value, str) and end_row is not None and end_column is not None:
            yield _Span(node.lineno - 1, node.col_offset, end_row - 1, end_column)
