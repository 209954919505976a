"""Texts that live inside published scripts: read from the syntax tree, never executed."""

import ast
from collections.abc import Iterator, Sequence

from harness.errors import DataError


def string_literal(source: bytes, name: str, where: str) -> str:
    """Return the text that a script assigns to a name.

    Assignments of the module go before those inside functions and classes. Literals side by side
    or joined with `+` are one text; fields of a `format` template stay as they are.

    Args:
        source: The script as published; line ends inside the text become newlines, as in Python.
        name: The variable.
        where: Shown in errors.

    Raises:
        DataError: It is not Python, assigns no text to the name, or several texts.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"{where}: not a readable Python script ({error})") from error
    values = list(_assigned(tree.body, name)) or list(_assigned(list(ast.walk(tree)), name))
    texts = {_text(value) for value in values}
    if len(texts) == 1 and (text := texts.pop()) is not None:
        return text
    found = f"assigns it {len(values)} values" if values else "never assigns it"
    raise DataError(
        f"{where}: expected one plain text assigned to {name!r}, but the script {found} and none "
        "is executed to find out. Fetch the script of the version in the catalogue."
    )


def _assigned(nodes: Sequence[ast.AST], name: str) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield value


def _text(value: ast.expr) -> str | None:
    """Return the text of a literal; None for whatever would have to be computed."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left, right = _text(value.left), _text(value.right)
        return None if left is None or right is None else left + right
    return None
