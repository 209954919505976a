"""Write the reference pages from the code: `python docs/reference/make.py`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from typer.main import get_command

from harness import registry
from harness.commands.app import app
from harness.settings.preset_files import read_preset
from harness.settings.resolve import known_keys
from methods.catalog import BUILTIN
from methods.presets import SOURCES
from methods.types import MethodConfig

FOLDER = Path(__file__).parent
WIDTH = 100
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "pattern": "like"}
METHOD = "method."


def kind(annotation: Any) -> str:
    """Return the type of a value as a reader writes it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(kind, inner)))
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation))


def limits(field: FieldInfo) -> str:
    """Return the bounds of a field."""
    found = (
        f"{sign} {getattr(bound, name)}"
        for bound in field.metadata
        for name, sign in BOUNDS.items()
        if getattr(bound, name, None) is not None
    )
    return ", ".join(found)


def default(field: FieldInfo) -> str:
    """Return the default, or that the preset must give the value."""
    if field.is_required():
        return "by the preset"
    value = field.get_default(call_default_factory=True)
    return f"`{'null' if value is None else value}`"


def table(fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """Yield the lines of a table of settings."""
    yield from ("| key | type | default | limits | |", "|---|---|---|---|---|")
    for key, field in fields.items():
        cells = (kind(field.annotation), default(field), limits(field), field.description or "")
        yield f"| `{key}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def configuration() -> str:
    """Return the page of all settings that presets and `--set` may give."""
    shared = known_keys(MethodConfig)
    lines = [
        "# Configuration",
        "",
        "Every key of `--set KEY=VALUE`, of `--config` and of presets. What a preset gives stands",
        "above the default; `python -m harness show --method NAME` prints both with their sources.",
        "This page is made by `docs/reference/make.py`.",
        "",
    ]
    for section in dict.fromkeys(key.partition(".")[0] for key in shared):
        if section != METHOD[:-1]:
            lines += [f"## {section}", ""]
            lines += table({k: f for k, f in shared.items() if k.startswith(f"{section}.")})
    for name in sorted(BUILTIN):
        config = registry.load_method(name).config
        own = {k: f for k, f in known_keys(config).items() if k.startswith(METHOD)}
        lines += [f"## Method {name}", "", (config.__doc__ or "").splitlines()[0], "", *table(own)]
    return "\n".join(lines)


def helps(group: Any, context: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield every command, through groups such as `data`, with its help."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = type(context)(command, info_name=name, parent=context, max_content_width=WIDTH)
        below.terminal_width = WIDTH
        if hasattr(command, "list_commands"):
            yield from helps(command, below, (*words, name))
        else:
            yield " ".join((*words, name)), command.get_help(below)


def commands() -> str:
    """Return the page of all commands."""
    group = get_command(app)
    lines = [
        "# Commands",
        "",
        "What `python -m harness COMMAND --help` prints. This page is made by",
        "`docs/reference/make.py`.",
        "",
    ]
    for name, text in helps(group, group.make_context("harness", ["list"])):
        told = "\n".join(line.rstrip() for line in text.splitlines())
        lines += [f"## {name}", "", "```text", told, "```", ""]
    return "\n".join(lines)


def differences() -> Iterator[str]:
    """Yield a line for each value of a method that a variant of its tiny preset replaces."""
    for method in sorted(BUILTIN):
        preset = read_preset(method, "tiny")
        for variant, values in sorted(preset.variants.items()):
            for key, origin in values.items():
                before = preset.values.get(key)
                if before and key.startswith(METHOD) and before.value != origin.value:
                    cells = (f"`{method} --variant {variant}`", f"`{key}`")
                    both = (f"`{before.value}`", f"`{origin.value}`", origin.source)
                    yield f"| {' | '.join((*cells, *both))} |"


def fidelity() -> str:
    """Return the page of what differs between papers and code, and how each is chosen."""
    named = (f"| {name} | {repository} |" for name, repository in SOURCES.items())
    return "\n".join((FIDELITY, *differences(), "", SHORT, *named, ""))


FIDELITY = """# Paper against code

Where a paper and the code beside it differ, both are a named option; `--variant paper` is the
default. This page is made by `docs/reference/make.py` from the presets. `show` prints what is
left open.

    python -m harness show --method dama --variant released

## Scorers

The *official* column is what the published script prints, its faults included; *careful* leaves
out what could not be judged. No option changes either: see
[both columns](scoring.md#official-and-careful-numbers) and
[the quirks that are kept](scoring.md#quirks-that-are-kept), marked `Faithful:` in `benchmarks/`.
How answers are decoded is a [protocol](generation.md#protocols).

## Methods

What each computes stands in [all methods](methods.md). Values of optimisation that a variant
`published` takes are in its preset. What DAMA and the others are short for in the last column
stands [below](#sources), and `show` says it of what it shows.

| chosen by | key | default | there | source |
|---|---|---|---|---|"""

SHORT = """## Sources

| in a source | stands for |
|---|---|"""

PAGES = {
    "configuration.md": configuration,
    "commands.md": commands,
    "../fidelity.md": fidelity,
}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make(), "utf-8")
