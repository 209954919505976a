"""What a message advises can be typed: every option in it is one that a command has."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_group

import harness
from harness.commands.app import COMMANDS, app

ROOT = Path(harness.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OF_OTHER_PROGRAMS = {
    "hf download ": "--local-dir",
    " --revision ": "--revision",
    "uv pip install ": "--python",
}
"""Commands of the hub's own program, by how the text begins."""


def options(names=COMMANDS):
    """Return the options of some commands, by default of all."""
    group = get_group(app)
    waiting = [group.get_command(None, name) for name in names]
    found = {"--help"}
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        found |= {name for parameter in command.params for name in parameter.opts}
    return found


def texts(source):
    """Yield the texts with more than one word, those in braces left out; no docstrings."""
    tree = ast.parse(source)
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= set(map(id, node.values))
        elif isinstance(node, ast.Expr):
            skipped.add(id(node.value))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(
            part.value if isinstance(part.value, str) else "{}"
            for part in parts
            if isinstance(part, ast.Constant | ast.FormattedValue)
        )
        if " " in text:
            yield text


def advised(source):
    """Yield the options that the messages of a program name, each with its message."""
    for text in texts(source):
        foreign = {name for start, name in OF_OTHER_PROGRAMS.items() if text.startswith(start)}
        yield from ((name, text) for name in set(OPTION.findall(text)) - foreign)


def test_every_option_that_a_message_names_is_one_of_a_command():
    known = options()
    found = [
        (str(file.relative_to(ROOT)), name, text)
        for file in sorted(ROOT.rglob("*.py"))
        for name, text in advised(file.read_text("utf-8"))
    ]
    assert len(found) > 50
    assert [each for each in found if each[1] not in known] == []


@pytest.mark.parametrize("command", ["reproduce", "plan", "matrix", "score", "prepare"])
def test_what_asks_language_models_names_what_all_commands_have_that_do(command):
    known = options([command])
    sources = [file.read_text("utf-8") for file in (ROOT / "llm").glob("*.py")]
    found = [each for source in sources for each in advised(source)]
    assert found
    assert [each for each in found if each[0] not in known] == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('x = f"give {y} --outt DIR"', {"--outt"}),
        ('x = ("lower it " "with --jobs")', {"--jobs"}),
        ('"""Read with srun --ntasks 2."""', set()),
        ('x = ["srun", "--ntasks", "--kill-on-bad-exit=1"]', set()),
        ('x = f"hf download {y} --local-dir {z}"', set()),
    ],
)
def test_the_options_of_a_message_are_found(source, names):
    assert {name for name, _ in advised(source)} == names


def test_options_of_all_commands_are_known():
    assert {"--judge-url", "--jobs", "--index", "--mirror", "--layers", "--where"} <= options()
