"""`check-plugin` of benchmarks and columns: ours pass, and each fault is told by its name."""

import sys

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError
from harness.plugins.check import check
from harness.plugins.names import Kind
from harness.plugins.new import new_package
from harness.registry import benchmark_names
from harness.training.contract.check import Result


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """Write a new package, change its module, and leave the metadata that an installer leaves."""

    def write(kind, old, new):
        package = new_package(Kind(kind), "own", tmp_path).folder
        file = package / "src" / "harness_own" / "own.py"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        info = package / "src" / "harness_own-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: harness-own\nVersion: 0.1\n")
        point = f"own = harness_own.own:{kind.upper()}"
        (info / "entry_points.txt").write_text(f"[harness.{kind}s]\n{point}\n")
        monkeypatch.syspath_prepend(str(package / "src"))
        return package

    yield write
    for name in [one for one in sys.modules if one.partition(".")[0] == "harness_own"]:
        del sys.modules[name]


def failed():
    return {one.name: one.said for one in check("own") if one.result is Result.FAILS}


@pytest.mark.parametrize(
    "name", [*benchmark_names(), "clip_gap", "margin_factor", "severity", "token_severity"]
)
def test_our_own_keep_it(name):
    assert {one.result for one in check(name)} == {Result.OK}


BENCHMARK_FAULTS = [
    ("import json", "raise RuntimeError('broken')", "loads", "package 'harness-own' cannot be"),
    ("100 * sum(scores) / len(scores)", "[1.0]", "numbers", "'accuracy' as a list; wanted is one"),
    (
        '{"accuracy": 100',
        '{"right": 100',
        "numbers",
        "returns 'right', which its `metrics` do not declare",
    ),
    (" if scores else {}", "", "numbers", "it raised ZeroDivisionError"),
    (", headline=True", "", "declares", "no table would show it"),
    ('raise ValueError(f"there is no {FILE}")', "return []", "refuses", "takes no file at all"),
]


@pytest.mark.parametrize(("old", "new", "law", "told"), BENCHMARK_FAULTS)
def test_a_fault_of_a_benchmark_is_told(changed, old, new, law, told):
    changed("benchmark", old, new)
    said = failed()
    assert said.keys() == {law}
    assert told in said[law]
    assert "own" in said[law]


COLUMN_FAULTS = [
    ("from pathlib import Path", "1 / 0", "loads", "ZeroDivisionError"),
    ("float(len(chosen.split())", "float('nan') * (len(chosen.split())", "numbers", "nan for row"),
    ("return values, Summary", "return values[1:], Summary", "numbers", "5 numbers for 6 pairs"),
    ("advance(1)", "advance(2)", "numbers", "tells `advance` of 12 pairs, and there are 6"),
    ('return {"data": data}', "return data", "numbers", "`decided_by` returns str"),
    ("return float(len", "return __import__('random').random() + float(len", "repeats", "chance"),
]


@pytest.mark.parametrize(("old", "new", "law", "told"), COLUMN_FAULTS)
def test_a_fault_of_a_column_is_told(changed, old, new, law, told):
    changed("column", old, new)
    said = failed()
    assert said.keys() == {law}
    assert told in said[law]
    assert "'own'" in said[law]


def test_an_exception_while_scoring_is_told_in_a_sentence(changed):
    package = changed("benchmark", 'sample.reference["answer"] in', 'sample.reference["truth"] in')
    words = ["--benchmark", "own", "--data", package / "example"]
    words += ["--responses", package / "example" / "answers.jsonl"]
    done = CliRunner().invoke(app, ["score", *map(str, words)])
    said = str(done.exception)
    assert said.startswith("benchmark 'own': it raised KeyError: no 'truth' (")
    assert "own.py, line" in said
    assert said.endswith("Mend it; the same command continues.")


def test_a_metric_that_is_no_number_is_told_while_scoring(changed):
    package = changed("benchmark", "100 * sum(scores) / len(scores)", "[1.0]")
    words = ["--benchmark", "own", "--data", package / "example"]
    words += ["--responses", package / "example" / "answers.jsonl"]
    done = CliRunner().invoke(app, ["score", *map(str, words)])
    assert "`aggregate` returns 'accuracy' as a list; wanted is one number" in str(done.exception)


def test_an_unknown_name_gets_the_nearest_of_all_kinds():
    with pytest.raises(ConfigError, match="Unknown method, benchmark or column 'clipgap'"):
        list(check("clipgap"))
