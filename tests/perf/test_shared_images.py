"""Pairs of one image cost less: by the counter, by the formula, and on the page."""

import json
from dataclasses import replace

import pytest
from shared_images import PAIRS, RESULT, expected, measure, on_images, tables, work
from step_kinds import Setting, shared_steps
from step_tables import PAGE
from test_step_speed import SMALL

from harness.costs.flops import step_flops
from harness.costs.load import Load
from harness.costs.shapes import LLAVA_7B


def test_every_image_less_takes_its_positions_and_their_work_away():
    """An image has 64 positions here."""
    rows = [*measure(replace(SMALL, pairs=PAIRS), 1)["rows"].values()]
    assert [one["images"] for one in rows] == [4, 2, 1]
    most = rows[0]["positions"]
    assert [most - one["positions"] for one in rows] == [0, 2 * 64, 3 * 64]
    assert 1 == rows[0]["work_ratio"] > rows[1]["work_ratio"] > rows[2]["work_ratio"]


def test_pairs_of_one_image_have_the_loss_that_they_have_in_rows_of_their_own():
    steps = shared_steps(on_images(Setting(replace(SMALL, pairs=PAIRS)), PAIRS))
    together, apart = (float(steps[name].run()) for name in ("here", "prompt shared in a pair"))
    assert together == pytest.approx(apart, abs=2e-5)


def test_the_formula_is_that_of_the_step_where_every_pair_has_its_image():
    assert work(LLAVA_7B, 4, 4) == pytest.approx(4 * step_flops(LLAVA_7B, Load(pairs=4)))


def test_of_22_pairs_on_13_images_nine_follow_one_of_their_own():
    """In a share of four, three pairs follow another: 4 - 3 * 9 / 22 images."""
    assert expected(LLAVA_7B, 4)["images"] == pytest.approx(4 - 27 / 22)


def test_the_page_has_the_committed_figures():
    assert tables(json.loads(RESULT.read_text("utf-8"))) in PAGE.read_text("utf-8")
