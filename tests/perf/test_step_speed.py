"""The step is faster and smaller than the released one's and TRL's, at an equal loss.

With `tox -e perf` at the middle size, which takes about a quarter of an hour; otherwise at a size
that only shows that all steps compute one loss.
"""

import json
from dataclasses import replace

import pytest
from rich.console import Console
from step_kinds import LADDER, Setting, shared_steps
from step_setting import MIDDLE, Size
from step_speed import measure, show
from step_tables import PAGE, RESULT, tables
from step_work import counted, floor_flops

from harness.costs.vision_shapes import VisionShape

SMALL = Size(
    replace(
        MIDDLE,
        hidden=64,
        layers=2,
        intermediate=172,
        vocabulary=600,
        image_tokens=64,
        vision=VisionShape(hidden=32, layers=2, heads=4, intermediate=64, image=112, patch=14),
    ),
    response=20,
)


def test_all_steps_have_one_loss(benchmark):
    """`measure` stops at another loss; the batch has 4 sequences, and none is longer than ours."""
    if benchmark.enabled:
        pytest.skip("the test below does this at the middle size")
    found = benchmark.pedantic(measure, args=(SMALL, 1), rounds=1)
    assert found["loss_spread"] < 1e-5
    positions = {name: one["positions"] for name, one in found["steps"].items()}
    assert positions["here"] < positions["prompt shared in a pair"] < positions["no padding"]
    assert positions["no padding"] < positions["released"] == positions["TRL"]
    assert found["ladder"].keys() == set(LADDER)
    assert sum(found["profile"].values()) == pytest.approx(1)


@pytest.mark.timeout(3600)
def test_middle_size_keeps_its_ratios(benchmark, capsys):
    """Medians of 5 repeats by turns."""
    if not benchmark.enabled:
        pytest.skip("measures for minutes: tox -e perf")
    found = benchmark.pedantic(measure, args=(Size(), 5), rounds=1)
    with capsys.disabled():
        show(found, Console())
    ratio = {name: one["median_ratio"] for name, one in found["ratio"].items()}
    assert ratio["released, as each is run"] >= 2.0
    assert ratio["released, checkpointing off on both"] >= 1.7
    assert ratio["released, checkpointing on both"] >= 1.7
    assert ratio["TRL, as each is run"] >= 2.6
    assert ratio["TRL, checkpointing off on both"] >= 2.2
    assert found["work_over_floor"] <= 1.06
    assert found["memory_ratio"]["released, checkpointing on both"] >= 4
    assert found["memory_ratio"]["TRL, checkpointing on both"] >= 10


def test_the_counted_work_is_at_most_six_percent_over_the_floor():
    """At the middle size; the page names these figures."""
    setting = Setting(Size())
    steps = shared_steps(setting)
    plain, again = (
        counted(steps[name].run, steps[name].trained) for name in ("here", "here, checkpointing")
    )
    floor = floor_flops(setting.pairs, setting.size)
    assert plain.flops / floor <= 1.06
    said = (
        f"{plain.flops / 1e9:.0f} GFLOP, {plain.flops / floor:.2f} of the floor, and holds "
        f"{plain.peak_bytes / 2**20:.0f} MiB, {again.peak_bytes / 2**20:.0f} with recomputation."
    )
    assert said in PAGE.read_text("utf-8")


def test_the_page_has_the_committed_figures():
    """Written by step_tables.py; a figure that was typed or is stale is found."""
    assert tables(json.loads(RESULT.read_text("utf-8"))) in PAGE.read_text("utf-8")
