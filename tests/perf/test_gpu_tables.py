"""The page about speed on a GPU has the committed figures."""

from gpu_tables import PAGE, read, tables

from harness.costs.devices import TABLE


def test_the_page_has_the_committed_figures():
    """Written by gpu_tables.py; a figure that was typed or is stale is found."""
    assert tables(*read()) in PAGE.read_text("utf-8")


def test_the_share_that_plan_takes_is_the_least_that_was_measured():
    """DPO's step at four pairs without recomputation, by fused kernels."""
    (card,) = (kind for kind in TABLE if kind.name == "H100-80GB")
    shares = [
        row["utilisation"]
        for found in read()
        for row in found["steps"]
        if (row["step"], row["pairs"], row["layers_run_again"]) == ("dpo", 4, 0)
        and row["fault"] is None
        and not row["kernels"].endswith("torch")
    ]
    assert card.utilisation == round(min(shares), 2)
    assert all(found["measured"]["date"] in card.measured for found in read())


def test_memory_is_within_seven_percent_of_the_plan():
    found = [row["peak_over_plan"] for one in read() for row in one["steps"]]
    measured = [ratio for ratio in found if ratio is not None]
    assert len(measured) > 20
    assert max(abs(ratio - 1) for ratio in measured) < 0.07
