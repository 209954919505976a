"""Names are found lazily, and every wrong registration is told apart."""

import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from harness import registry
from harness.errors import ConfigError
from methods.catalog import BUILTIN

ROOT = Path(__file__).parents[1]
PLUGIN = Path(__file__).parent / "example_plugin"


def installed(folder: Path, name: str, points: dict[str, dict[str, str]]) -> None:
    """Write the metadata an installer leaves behind: real entry points, without a network."""
    info = folder / f"{name.replace('-', '_')}-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    lines = [
        line
        for group, values in points.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in values.items()), "")
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def module(folder: Path, name: str, source: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(textwrap.dedent(source))


def harness(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own that also sees the packages in `path`."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example package, installed."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    shutil.copytree(PLUGIN / "src", site)
    installed(site, project["name"], project["entry-points"])
    return site


def test_every_built_in_method_loads_under_its_own_name():
    assert {name: registry.load_method(name).name for name in registry.method_names()} == {
        name: name for name in sorted(BUILTIN)
    }
    assert {"dama", "dpo", "rlhf_v"} < BUILTIN.keys()


def test_every_built_in_benchmark_loads_under_its_own_name():
    names = ("amber", "llava_bench", "mm_vet", "mmhal", "object_halbench")
    assert {name: registry.load_benchmark(name).name for name in registry.benchmark_names()} == {
        name: name for name in names
    }


def test_a_typo_gets_the_nearest_name_and_all_names():
    with pytest.raises(ConfigError) as caught:
        registry.load_method("damma")
    assert str(caught.value) == (
        f"Unknown method 'damma'. Did you mean 'dama'? Known: {', '.join(sorted(BUILTIN))}."
    )


def test_a_far_name_gets_no_guess():
    known = ", ".join(sorted(BUILTIN))
    with pytest.raises(ConfigError, match=rf"^Unknown method 'xyz'\. Known: {known}\.$"):
        registry.load_method("xyz")


def test_an_installed_package_is_listed_with_its_name(example: Path):
    listed = harness("list", "methods", path=example).stdout
    assert listed.split() == [
        *("name", "package"),
        *chain.from_iterable(
            (name, "harness-example" if name == "slic" else "alignment-harness")
            for name in sorted([*BUILTIN, "slic"])
        ),
    ]
    assert "pope             harness-example" in harness("list", "benchmarks", path=example).stdout


def test_values_of_an_installed_method_are_shown_with_their_sources(example: Path):
    shown = harness("show", "--method", "slic", "--json", path=example)
    assert shown.returncode == 0, shown.stderr
    assert '"method.margin": {\n    "value": 1.0' in shown.stdout
    assert "arXiv:2305.10425" in shown.stdout
    assert '"world:base"' in shown.stdout, "the built-in base-tiny lies below"


def test_a_variant_of_an_installed_method_lies_above_its_preset(example: Path):
    shown = harness("show", "--method", "slic", "--variant", "no_margin", "--json", path=example)
    assert '"method.margin": {\n    "value": 0.0' in shown.stdout


def test_the_same_name_in_two_packages_is_an_error_naming_both(tmp_path: Path):
    for name in ("first-one", "second-one"):
        installed(tmp_path, name, {"harness.methods": {"shared": "nowhere:METHOD"}})
    result = harness("list", "methods", path=tmp_path)
    assert result.returncode == 1
    assert "Two packages bring a method 'shared'" in result.stderr
    assert "'first-one'" in result.stderr
    assert "'second-one'" in result.stderr


def test_a_package_cannot_replace_a_built_in_method(tmp_path: Path):
    installed(tmp_path, "usurper", {"harness.methods": {"dpo": "nowhere:METHOD"}})
    result = harness("list", "methods", path=tmp_path)
    assert result.returncode == 1
    assert "'alignment-harness' and 'usurper'" in result.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("METHOD = 3", "odd:METHOD of package 'odd-one' is of type int, not Method"),
        ("", "method 'odd' of package 'odd-one' cannot be loaded from odd:METHOD"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("from methods.dpo import METHOD", "registered as 'odd' but calls itself 'dpo'"),
    ],
    ids=["wrong type", "no such attribute", "broken import", "other name"],
)
def test_what_is_not_a_method_is_an_error_naming_the_package(
    tmp_path: Path, source: str, told: str
):
    installed(tmp_path, "odd-one", {"harness.methods": {"odd": "odd:METHOD"}})
    module(tmp_path, "odd", source)
    result = harness("show", "--method", "odd", path=tmp_path)
    assert result.returncode == 1
    assert told in result.stderr
    assert "'odd-one'" in result.stderr
    assert "Traceback" not in result.stderr
