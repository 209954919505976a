"""The step of DPO and DAMA is as fast as before other methods brought views and statistics."""

from collections import Counter

import pytest
from earlier_step import BEFORE_VIEWS, ROOT, Grown, Side, Work, has, measure, median_of, told
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
        work = side.work("dpo")
    finally:
        side.close()
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert min(first["seconds"], again["seconds"]) > 0
    assert work.calls > work.operations.total() > 1000
    assert any(name.startswith("aten.mm") for name in work.operations)


def test_what_is_new_and_what_is_gone_is_told_apart():
    before, now = Work(Counter(mm=3, add=2), 1000), Work(Counter(mm=4, mul=2), 1010)
    said = told(Grown(before, now, [1.0] * 9))
    assert said.startswith("6 operations, 3 new and 2 gone; 1,010 calls, 1.0100 times")
    assert said.endswith("1.0000 times its CPU seconds (1.0000 to 1.0000)")


@pytest.mark.timeout(3600)
def test_the_step_has_not_grown(benchmark, capsys):
    """It runs the operations that it ran, and by no more than one per cent more calls and seconds.

    Operations are exact and calls within ten; of seconds it is asked what the interval can tell.
    """
    if not benchmark.enabled:
        pytest.skip("measures for minutes: tox -e perf")
    if not has(BEFORE_VIEWS):
        pytest.skip(f"commit {BEFORE_VIEWS} is not in this clone")
    found = benchmark.pedantic(measure, args=(BEFORE_VIEWS, 60), rounds=1)
    for method, grown in found.items():
        with capsys.disabled():
            Console().print(f"{method}: {told(grown)}")
        assert grown.now.operations == grown.before.operations, method
        assert grown.calls <= 1.01, method
        _, low, _ = median_of(grown.ratios)
        assert low <= 1.01, (method, told(grown))
