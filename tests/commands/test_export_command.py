"""`export` writes what passed the check, and names the format of the data on stderr."""

import json
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.data.pairs.preferences import Preferences

sys.path.append(str(Path(__file__).parents[1] / "training"))


@pytest.fixture
def source(tmp_path, monkeypatch):
    import world_fixture

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    rows = world_fixture.rows(6)
    rows[3]["rejected"] = rows[3]["chosen"]
    return world_fixture.write_rows(tmp_path / "pairs.parquet", rows)


@pytest.fixture
def said(monkeypatch, capsys):
    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


@pytest.mark.parametrize("layout", ["trl", "llamafactory", "parquet"])
def test_pairs_are_written_with_their_columns(source, said, tmp_path, layout):
    words = ("export", "--to", layout, "--data", source, "--out", tmp_path / "out", "--json")
    code, told, error = said(*words, "--max-bad-rows", 1)
    assert (code, f"{source}: read as rlaif_v" in error) == (0, True)
    found = json.loads(told)
    assert found["pairs"] == 5
    assert found["columns"] == ["ds_name", "origin_dataset", "origin_split", "clip_gap"]
    again, before = Preferences(found["out"]), Preferences(source)
    kept = [0, 1, 2, 4, 5]
    assert [again.texts(row) for row in range(5)] == [before.texts(row) for row in kept]
    assert again.column("clip_gap") == [before.column("clip_gap")[row] for row in kept]


def test_bad_rows_stop_it_and_a_forced_format_is_taken(source, said, tmp_path):
    words = ("export", "--to", "trl", "--data", source, "--out", tmp_path / "out.parquet")
    code, _, error = said(*words)
    assert (code, "row 3: chosen equals rejected" in error) == (1, True)
    code, _, error = said(*words, "--format", "mdpo", "--max-bad-rows", 5)
    assert (code, "row 0: no image" in error) == (1, True)
    assert not (tmp_path / "out.parquet").exists()


def test_a_mixture_is_exported(source, said, tmp_path):
    out = tmp_path / "mixed.parquet"
    mixture = f"{source}#2 + {source}#pairs=2&seed=4"
    words = ("--data", mixture, "--out", out, "--max-bad-rows", 3)
    code, told, error = said("export", "--to", "parquet", *words)
    assert (code, error.count("read as rlaif_v, 2 pairs of 6")) == (0, 2)
    assert f"{out}: " in told
