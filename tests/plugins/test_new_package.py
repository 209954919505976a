"""`new`: what it writes can be installed, and every command that it prints works."""

import shlex

import pytest
from newcomer import made, run
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError
from harness.plugins.names import Kind
from harness.plugins.new import new_package

pytestmark = [pytest.mark.processes, pytest.mark.world]


@pytest.mark.parametrize(
    ("kind", "told"),
    [("benchmark", "accuracy"), ("column", "own of 2,290 pairs")],
)
def test_a_benchmark_and_a_column_work_as_they_are_written(kind, told, tmp_path, monkeypatch):
    """Step by step as printed: its tests, the contract, and its use."""
    (_, *steps), place, site = made(kind, "own", tmp_path, monkeypatch)
    tests, check, use = (run(step, site, place) for step in steps)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert check.returncode == 0, check.stdout + check.stderr
    assert "package 'harness-own'" in check.stdout
    assert "FAILS" not in check.stdout
    assert use.returncode == 0, use.stderr
    assert told in use.stdout


def test_a_method_is_checked_and_planned(tmp_path, monkeypatch):
    """Its training is a step of tests/regression/test_new_method.py."""
    (_, *steps, training), place, site = made("method", "own_dpo", tmp_path, monkeypatch)
    assert "reproduce --method own_dpo" in training
    for step in steps:
        done = run(step, site, place)
        assert done.returncode == 0, done.stdout + done.stderr
    code = (place / "own_dpo" / "src" / "harness_own_dpo" / "own_dpo.py").read_text()
    assert len(code.splitlines()) <= 91
    plan = "python -m harness show --method own_dpo --size 7b --variant no_margin"
    shown = run(plan, site, place)
    assert "method.margin" in shown.stdout, shown.stderr
    assert "llava-hf/llava-1.5-7b-hf" in shown.stdout


def test_the_place_may_have_a_space(tmp_path):
    package = new_package(Kind.METHOD, "own", tmp_path / "my packages")
    assert package.folder == tmp_path / "my packages" / "own"
    assert shlex.split(package.steps[1])[-1] == str(package.folder)


@pytest.mark.parametrize("there", ["folder", "file", "link"])
def test_what_is_there_is_left_as_it_is(tmp_path, there):
    place = tmp_path / "own"
    if there == "folder":
        place.mkdir()
    elif there == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    with pytest.raises(ConfigError, match="own: is there already, and is left as it is"):
        new_package(Kind.METHOD, "own", tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["own"]
    assert not place.is_dir() or not list(place.iterdir())


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("method", "My-DPO", "Did you mean 'my_dpo'?"),
        ("method", "../own", "small letters"),
        ("method", "own/x", "small letters"),
        ("method", "class", "no word of Python"),
        ("method", "o" * 41, "40 characters"),
        ("method", "", "small letters"),
        ("method", "owné", "small letters"),
        ("method", "dpo", "package 'alignment-harness' brings one of this name. Near it are"),
        ("method", "base", "the harness uses this name"),
        ("benchmark", "amber", "list benchmarks shows all"),
        ("column", "clip_gap", "brings one of this name"),
        ("column", "chosen", "the harness uses this name"),
        ("column", "clip_gap_mean", "the harness uses this name"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused(kind, name, told, tmp_path):
    with pytest.raises(ConfigError) as caught:
        new_package(Kind(kind), name, tmp_path)
    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_near_another_is_told(tmp_path):
    done = CliRunner().invoke(app, ["new", "method", "dpoo", "--to", str(tmp_path)])
    assert done.exit_code == 0
    assert "Names near dpoo are there already: dpo" in done.stderr
