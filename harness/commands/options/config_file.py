"""`--config FILE` of a command whose settings are its own options, by their names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import ConfigError
from harness.registry import hint
from harness.settings.overrides import read_keys

_OWN = ("config", "help")
"""Options that a file cannot give."""


def from_file(context: typer.Context, file: Path | None) -> Path | None:
    """Let the values of a file stand for the options that the command line leaves out.

    Raises:
        ConfigError: It cannot be read, names no option of the command, or a value is none of its.
    """
    if file is None:
        return None
    known = {
        option.removeprefix("--"): parameter
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and option.removeprefix("--") not in _OWN
    }
    context.default_map = {
        parameter.name: value
        for parameter, value in _chosen(file, known)
        if parameter.name is not None
    }
    return file


def _chosen(file: Path, known: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    found = []
    for key, value in read_keys(file, "judge: openai").items():
        name = str(key).replace("_", "-")
        if name not in known:
            raise ConfigError(f"--config {file}: unknown option {key!r}. {hint(name, list(known))}")
        parts = value if isinstance(value, list) and known[name].multiple else [value]
        if not all(isinstance(part, str | int | float) for part in parts):
            raise ConfigError(
                f"--config {file}: {key}: write one plain value, as on a command line."
            )
        found.append((known[name], value if isinstance(value, bool) else _text(value)))
    return found


def _text(value: Any) -> Any:
    """Return what a command line would hold."""
    return [str(one) for one in value] if isinstance(value, list) else str(value)


OptionsFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=from_file,
        help="YAML of this command's options by name, as judge-runs: 5; an option given wins.",
    ),
]
