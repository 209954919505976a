"""What was made of the items of a run is kept, and never stands for other items."""

import pytest
from made_runs import ratings

from harness.files.cache import VARIABLE
from harness.registry import load_benchmark
from harness.reporting.compare import compare
from harness.reporting.over_items import drawing
from harness.reporting.over_items.differences import over_items


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "items"


@pytest.fixture
def measured():
    def measure(runs):
        drawing._drawn.cache_clear()  # as another call would find it
        return over_items(compare(runs, "tiny", [load_benchmark("mmhal")])).differences

    return measure


@pytest.fixture
def runs(maker):
    return [maker.run("base", ratings(40)), maker.run("dama", ratings(60))]


def test_the_second_time_nothing_is_read_and_nothing_differs(cache, measured, runs, monkeypatch):
    before = measured(runs)
    assert len(list(cache.glob("*.npz"))) == 2
    monkeypatch.setattr(drawing, "_read", None)
    assert measured(runs) == before


def test_other_items_are_read_anew(cache, measured, runs, maker):
    before = measured(runs)
    changed = maker.run("dama", ratings(90))
    assert changed.items == runs[1].items
    assert measured([runs[0], changed]) != before
    assert len(list(cache.glob("*.npz"))) == 3


def test_a_damaged_or_unwritable_cache_stops_nothing(cache, measured, runs, monkeypatch):
    before = measured(runs)
    for place, file in enumerate(cache.glob("*.npz")):
        file.write_bytes(file.read_bytes()[: 100 * place])
    assert measured(runs) == before
    monkeypatch.setenv(VARIABLE, "/dev/null/nowhere")
    assert measured(runs) == before
