"""The step of DPO and DAMA is as fast as before other methods brought views and statistics."""

import pytest
from earlier_step import BEFORE_VIEWS, ROOT, Side, has, measure, median_of
from rich.console import Console


def test_a_median_lies_in_its_interval():
    assert median_of([1.0] * 9) == (1.0, 1.0, 1.0)
    middle, low, high = median_of([0.9, 1.0, 1.1, 1.0, 1.0])
    assert low <= middle == 1.0 <= high


@pytest.mark.processes
def test_a_side_runs_the_whole_step():
    """Its first loss is log 2, for the policy starts as the reference."""
    side = Side(ROOT)
    try:
        first, again = side.run("dpo"), side.run("dama")
    finally:
        side.close()
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert min(first["seconds"], again["seconds"]) > 0


@pytest.mark.timeout(3600)
def test_the_step_has_not_grown(benchmark, capsys):
    """By more than one per cent, as far as the interval can tell."""
    if not benchmark.enabled:
        pytest.skip("measures for minutes: tox -e perf")
    if not has(BEFORE_VIEWS):
        pytest.skip(f"commit {BEFORE_VIEWS} is not in this clone")
    found = benchmark.pedantic(measure, args=(BEFORE_VIEWS, 60), rounds=1)
    for method, ratios in found.items():
        middle, low, high = median_of(ratios)
        with capsys.disabled():
            Console().print(f"{method}: {middle:.4f} ({low:.4f} to {high:.4f})")
        assert low <= 1.01, (method, middle, low, high)
