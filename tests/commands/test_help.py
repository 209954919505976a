"""Help is quick, true and needs none of the heavy packages."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from harness.commands import app as app_commands
from harness.commands.app import app

ROOT = Path(__file__).parents[2]
GROUP = get_command(app)
CONTEXT = GROUP.make_context("harness", ["list"])
HEAVY = ("torch", "transformers", "datasets", "deepspeed", "lmms_eval", "open_clip")


def _commands(group, words=()):
    """Yield the words of every command with it, through groups such as `data`."""
    for name in sorted(group.list_commands(CONTEXT)):
        command = group.get_command(CONTEXT, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(_commands(GROUP))


def examples(command: str) -> list[str]:
    """Return the command lines below `Examples:`, without the program's name."""
    lines = (COMMANDS[command].epilog or "").splitlines()
    start = "python -m harness "
    return [line.strip().removeprefix(start) for line in lines if start in line]


def test_help_answers_within_half_a_second():
    """The best of five, for what else the machine does is not the harness's time."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "harness", "--help"], cwd=ROOT, check=True, capture_output=True
        )
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([*command.split(), "--help"] for command in COMMANDS),
        *(["list", what] for what in ("methods", "benchmarks", "columns", "sizes", "runs")),
    ],
    ids=" ".join,
)
def test_help_and_list_import_nothing_heavy(arguments: list[str]):
    program = (
        "import sys\n"
        "from harness.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    sys.exit(f'imported {heavy}' if heavy else end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", app_commands.COMMANDS)
def test_the_list_of_commands_begins_as_their_own_help(name: str):
    """The list is written beside the names, so that printing it imports no command."""
    told = app_commands.COMMANDS[name][1].rstrip(".")
    command = GROUP.get_command(CONTEXT, name)
    words = " ".join((command.help or "").split())
    assert words.startswith(told.split(",")[0])


def test_help_imports_no_command():
    program = (
        "import sys\n"
        "from harness.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    assert 'pydantic' not in sys.modules, 'pydantic'\n"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples(command: str):
    assert len(examples(command)) >= 2


@pytest.mark.parametrize("example", [line for name in COMMANDS for line in examples(name)])
def test_every_example_parses(example: str):
    name = next(name for name in COMMANDS if f"{example} ".startswith(f"{name} "))
    context = COMMANDS[name].make_context(name, shlex.split(example.removeprefix(name)))
    assert not context.args


def test_the_program_without_words_says_how_to_use_it():
    result = subprocess.run(
        [sys.executable, "-m", "harness"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "Usage: python -m harness" in result.stdout + result.stderr
