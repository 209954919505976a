"""The page about speed on a GPU has the committed figures."""

import math

from gpu_tables import PAGE, read, tables, timed

from harness.costs.devices import TABLE


def test_the_page_has_the_committed_figures():
    """Written by gpu_tables.py; a figure that was typed or is stale is found."""
    assert tables(read()) in PAGE.read_text("utf-8")


def test_the_share_that_plan_takes_is_the_least_that_was_measured():
    """Of the methods' steps at four pairs without recomputation, by the kernels of a run."""
    (card,) = (kind for kind in TABLE if kind.name == "H100-80GB")
    steps = read().steps
    shares = {
        row["step"]: row["utilisation"]
        for row in timed(steps)
        if (row["kernels"], row["pairs"], row["layers_run_again"]) == (steps["kernels"], 4, 0)
    }
    assert shares.keys() == {"dpo", "rlhf_v", "dama"}
    assert card.utilisation == math.floor(100 * min(shares.values())) / 100
    assert all(found["measured"]["date"] in card.measured for found in read())


def test_memory_is_within_seven_percent_of_the_plan():
    found = [row["peak_over_plan"] for one in read() for row in one["steps"]]
    measured = [ratio for ratio in found if ratio is not None]
    assert len(measured) > 20
    assert max(abs(ratio - 1) for ratio in measured) < 0.07
