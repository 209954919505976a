"""Every command that README and docs show is one, with its options, methods and settings."""

import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from written import MADE, PAGES, ROOT, blocks, commands, name, shell_lines, spans

from harness import registry
from harness.commands import app as app_commands
from harness.commands.app import app
from harness.data.columns.catalog import COMPUTABLE
from harness.settings.resolve import known_keys, resolve

GROUP = get_command(app)
SHOWN = [(page, words) for page in PAGES for words in commands(page)]
OF_MADE = {"method.margin"}
"""Settings of what a reader makes."""
PLACEHOLDER = re.compile(r"[A-Z_]+|\.\.\.")


def params(words: list[str]) -> tuple[str, Mapping[str, Any]]:
    """Return the command that words call, and its options as typer reads them."""
    command, path, rest = GROUP, [], list(words)
    context = GROUP.make_context("harness", ["list"])
    while hasattr(command, "list_commands"):
        path.append(rest.pop(0) if rest else "")
        found = command.get_command(context, path[-1])
        assert found is not None, f"there is no command {' '.join(path)!r}"
        command = found
        context = command.make_context(path[-1], list(rest)) if rest != ["--help"] else context
    assert not context.args
    return " ".join(path), context.params


def check_names(options: Mapping[str, Any]) -> None:
    """Raise for a method, size, variant, setting, benchmark or column that there is not."""
    methods = str(options.get("methods") or options.get("method") or "").split(",")
    size = options.get("sizes") or options.get("size") or "tiny"
    for method in filter(None, methods):
        plain, _, variant = method.partition(":")
        if PLACEHOLDER.fullmatch(plain) or plain in MADE:
            continue
        for one in size.split(","):
            overrides = options.get("overrides") or ()
            resolve(plain, one, variant or options.get("variant"), overrides)
    benchmarks = options.get("benchmarks") or options.get("benchmark") or ""
    for benchmark in filter(None, benchmarks.split(",")):
        if not PLACEHOLDER.fullmatch(benchmark) and benchmark not in MADE:
            known = {*registry.benchmarks(), "judged", "nltk_data"}
            registry.find(benchmark, dict.fromkeys(known), "benchmark")
    columns = str(options.get("columns") or "").split(",")
    assert {*filter(None, columns)} <= {*COMPUTABLE, *MADE}


def check_protocol(options: Mapping[str, Any]) -> None:
    wanted = options.get("protocol")
    if wanted and not PLACEHOLDER.fullmatch(wanted):
        assert wanted in protocols(), f"no benchmark has a protocol {wanted!r}"


@cache
def protocols() -> frozenset[str]:
    loaded = map(registry.load_benchmark, registry.benchmark_names())
    return frozenset(protocol for one in loaded for protocol in one.decoding)


@pytest.mark.parametrize(
    ("page", "words"), SHOWN, ids=[f"{name(page)}: {shlex.join(words)}" for page, words in SHOWN]
)
def test_a_shown_command_is_one(page: Path, words: list[str]):
    _, options = params(words)
    check_names(options)
    check_protocol(options)


def test_commands_are_found_in_blocks_of_both_kinds():
    assert len(SHOWN) > 60
    assert {"README.md", "docs/runs.md", "docs/models.md"} <= {name(page) for page, _ in SHOWN}


@pytest.mark.parametrize(
    "line",
    [
        "reproduse --method dama",
        "reproduce --metod dama",
        "data fetsh",
        "reproduce --method damma",
        "reproduce --method dama --size 70b",
        "reproduce --method dama --variant relesed",
        "reproduce --method dama --set method.bta=1",
        "reproduce --method dama --set method.beta=-1",
        "matrix --methods dpo,dma",
        "score --benchmark amberr --responses a.json",
        "evaluate RUN --protocol greddy",
        "list everything",
    ],
)
def test_a_wrong_command_is_found(line: str):
    with pytest.raises(Exception) as found:  # noqa: PT011  # typer's, the harness's or assert's
        test_a_shown_command_is_one(ROOT, shlex.split(line))
    assert str(found.value) or isinstance(found.value, typer.BadParameter)


@cache
def known_settings() -> frozenset[str]:
    """Return every key of `--set`, of whatever method."""
    return frozenset(
        key for method in registry.method_names() for key in known_keys(config_of(method))
    )


def config_of(method: str) -> Any:
    return registry.load_method(method).config


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_setting_that_is_named_is_one(page: Path):
    """In `--set KEY=...` anywhere, and in words such as `training.epochs`."""
    text = page.read_text("utf-8")
    keys = {found[1] for found in re.finditer(r"--set '?([a-z_.]+)=", text)}
    sections = r"(?:method|model|data|training|evaluation)"
    named = re.compile(rf"({sections}(?:\.[a-z_]+)+)(?:=.*)?")
    keys |= {found[1] for span in spans(page) if (found := named.fullmatch(span))}
    files = {key for key in keys if key.endswith((".md", ".py", ".json"))}
    assert keys - files - OF_MADE <= known_settings()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_command_within_a_sentence_is_one(page: Path):
    """Such as `judge RUN --judge WHO`: what it requires may be left out, nothing may be wrong."""
    for span in spans(page):
        words = [word for word in span.removeprefix("python -m harness ").split() if word != "..."]
        if words[0] in app_commands.COMMANDS and len(words) > 1 and "=" not in words[1]:
            try:
                _, options = params(shlex.split(" ".join(words)))
            except typer.BadParameter as error:
                if type(error).__name__ != "MissingParameter":
                    raise
            else:
                check_names(options)


def tox_environments() -> set[str]:
    text = (ROOT / "tox.ini").read_text("utf-8")
    return set(re.findall(r"^\[testenv:(\w+)\]", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_an_environment_of_tox_that_is_named_is_one(page: Path):
    lines = [words for block in blocks(page) for words in shell_lines(block)]
    lines += [span.split() for span in spans(page)]
    named = [words[words.index("-e") + 1] for words in lines if "tox" in words and "-e" in words]
    assert {one for names in named for one in names.split(",")} <= tox_environments()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_file_of_the_repository_that_is_named_is_there(page: Path):
    place = re.compile(r"(?:harness|methods|benchmarks|tests|docs|results/(?:tiny|perf))/[\w./-]+")
    told = [*spans(page), *re.findall(r"python (tests/\S+)", page.read_text("utf-8"))]
    named = {found[0] for span in told if (found := place.fullmatch(span))}
    assert not [path for path in named if not (ROOT / path).exists()]
