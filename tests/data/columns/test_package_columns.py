"""Columns that packages compute: found, kept, named in errors, and part of what a run is."""

import json
import sys

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.data.columns import catalog
from harness.data.columns.columns import ensure_columns, read_columns
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError, HarnessError, MissingColumn
from harness.settings.spec import HardnessSpec

SETTINGS = HardnessSpec(clip="none")
SOURCE = """
import math

from harness.data.columns.column import Column
from harness.data.columns.summary import Summary

CALLS = []


def words(pairs, hardness, cache, chat, advance):
    CALLS.append(len(pairs))
    values = []
    for row in range(len(pairs)):
        texts = pairs.texts(row)
        values.append(float(len(texts.rejected.split()) - len(texts.chosen.split())))
        advance(1)
    summary = Summary.of(values, {})
    FAULT
    return values, summary


COLUMN = Column("longer", words, lambda data, hardness: {"data": data})
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a module `made_column` and the metadata that an installer leaves behind."""

    def write(fault="pass", names=("longer",)):
        info = tmp_path / "site" / "made-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-one\nVersion: 1.0\n")
        points = "".join(f"{name} = made_column:COLUMN\n" for name in names)
        (info / "entry_points.txt").write_text(f"[harness.columns]\n{points}")
        (tmp_path / "site" / "made_column.py").write_text(SOURCE.replace("FAULT", fault))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        sys.modules.pop("made_column", None)

    yield write
    sys.modules.pop("made_column", None)


def longer(source, cache):
    return ensure_columns(source, frozenset({"longer"}), SETTINGS, cache)


def test_it_is_computed_once_and_read_as_a_method_reads_it(install, rows, write, tmp_path):
    """Every rejected response of the rows is the chosen one and a sentence of nine words more."""
    install()
    source = write(rows)
    file = longer(source, tmp_path)
    assert longer(source, tmp_path) == file
    assert read_columns(file, frozenset({"longer"}))["longer"].tolist() == [9.0] * 6
    assert sys.modules["made_column"].CALLS == [6]


def test_a_column_beside_another_is_not_computed_again(install, rows, write, tmp_path):
    install()
    source = write(rows)
    longer(source, tmp_path)
    both = ensure_columns(source, frozenset({"longer", "clip_gap"}), SETTINGS, tmp_path)
    assert read_columns(both, frozenset({"longer"}))["longer"].tolist() == [9.0] * 6
    assert sys.modules["made_column"].CALLS == [6]


def test_other_code_is_another_column_and_another_training(install, rows, write, tmp_path):
    install()
    source = write(rows)
    file, code = longer(source, tmp_path), catalog.code_of_packages({"longer", "clip_gap"})
    install("values = [2 * one for one in values]")
    assert longer(source, tmp_path) != file
    assert code.keys() == {"longer"}, "ours are named by what `decided_by` says"
    assert catalog.code_of_packages({"longer"}) != code


def test_the_data_s_own_column_goes_first(install, rows, write, tmp_path):
    install("raise RuntimeError('not asked')")
    for row in rows:
        row["longer"] = 3.0
    file = longer(write(rows), tmp_path)
    assert read_columns(file, frozenset({"longer"}))["longer"].tolist() == [3.0] * 6


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raise KeyError('weight')", "it raised KeyError: no 'weight' ("),
        ("values = values[1:]", "gives 5 numbers for 6 pairs"),
        ("values[2] = math.nan", "gives nan for row 2; wanted is a finite number"),
        ("values[0] = 'one'", "gives 'one' for row 0"),
        ("values[1] = [1.0, 2.0]", "gives [1.0, 2.0] for row 1"),
        ("return values", "`compute` returns list; wanted are the numbers of all pairs"),
        ("return None", "`compute` returns NoneType"),
        ("return values, None", "`compute` returns tuple"),
    ],
)
def test_a_fault_names_column_package_and_what_to_do(install, rows, write, tmp_path, fault, told):
    install(fault)
    with pytest.raises(DataError) as caught:
        longer(write(rows), tmp_path)
    said = str(caught.value)
    assert said.startswith("column 'longer' of package 'made-one': ")
    assert told in said
    assert said.endswith("Mend it; the same command continues.")


def test_a_package_that_cannot_be_imported_stops_only_its_own_column(
    install, rows, write, tmp_path
):
    install("pass\nraise RuntimeError('broken')")
    source = write(rows)
    with pytest.raises(HarnessError, match="column 'longer' of package 'made-one' cannot be"):
        longer(source, tmp_path)
    assert ensure_columns(source, frozenset({"clip_gap"}), SETTINGS, tmp_path) is not None
    listed = CliRunner().invoke(app, ["list", "columns"]).stdout.split()[1:]
    assert listed == ["clip_gap", "longer", "margin_factor", "severity", "token_severity"]


def test_a_missing_column_names_what_is_near_in_the_data_and_what_computes_one(
    install, rows, write
):
    install()
    for row in rows:
        row["word_margin"] = 1.0
    pairs = Preferences(write(rows))
    with pytest.raises(MissingColumn) as caught:
        catalog.require_columns(pairs, frozenset({"marg", "Longer"}), "method 'mine'")
    said = str(caught.value)
    assert f"{pairs.source}: no column 'Longer', 'marg', which method 'mine' needs." in said
    assert "Nearest in the data: 'word_margin'." in said
    assert "Nearest that can be computed: 'longer', with: " in said
    assert f"prepare --columns longer --data {pairs.source} --out FILE.parquet" in said


def test_without_a_near_name_all_are_told(rows, write):
    with pytest.raises(MissingColumn) as caught:
        catalog.require_columns(Preferences(write(rows)), frozenset({"zzz"}), "the method")
    computable = "Computed can be: 'clip_gap', 'margin_factor', 'severity', 'token_severity'."
    assert f"Columns of numbers in the data: 'clip_gap'. {computable}" in str(caught.value)


def test_prepare_computes_several_and_writes_them_beside_the_rows(install, rows, write, tmp_path):
    """clip_gap stands in the data; one JSON object a column is printed."""
    import pyarrow.parquet as pq

    install()
    source, out = write(rows), tmp_path / "both.parquet"
    words = ["prepare", "--columns", "clip_gap,longer", "--data", str(source), "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.exception
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["name"], one["computed"]) for one in told] == [
        ("clip_gap", False),
        ("longer", True),
    ]
    assert told[1]["summary"]["mean"] == 9.0
    table = pq.read_table(out)
    assert table["longer"].to_pylist() == [9.0] * 6
    assert table["clip_gap"].to_pylist() == [row["clip_gap"] for row in rows]
    assert (tmp_path / "both.hardness" / "longer.json").is_file()
    plain = CliRunner().invoke(app, ["prepare", "--columns", "longer", "--data", str(source)])
    assert plain.stdout.splitlines()[0] == "longer of 6 pairs"
    assert "sigma" not in plain.stdout


def test_prepare_names_the_nearest_of_an_unknown_column(install, rows, write):
    install()
    done = CliRunner().invoke(app, ["prepare", "--columns", "longest", "--data", str(write(rows))])
    assert "only clip_gap, longer, margin_factor, severity, token_severity can be computed" in str(
        done.exception
    )
    assert "Did you mean 'longer'?" in str(done.exception)
