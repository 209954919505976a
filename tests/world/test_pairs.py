"""Preference pairs of mixed hardness, and the sentences that the CLIP model learns from."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.columns.margins.rewards import margins
from harness.data.pairs.preferences import Preferences
from harness.world.claims import Context, claims_in, holds
from harness.world.config import WorldConfig
from harness.world.draw import split_scans
from harness.world.language import caption
from harness.world.preferences import HARDNESS, build_preferences, errors
from harness.world.scenes import COLOURS, draw_scene, draw_scenes
from harness.world.trained.clip import true_and_false
from harness.world.trained.responses import SAMPLES, asked_about, write_responses

SIDES = ("chosen", "rejected")
SCENES = draw_scenes(0, 240, 0, split_scans(0.25)[0], 0.55)
NOTHING_ASKED = Context()


def misread(scene, wrong):
    """Describe a scene with the colours of the first `wrong` objects mistaken."""
    colours = list(COLOURS)
    things = [
        replace(thing, colour=colours[colours.index(thing.colour) - 1]) if place < wrong else thing
        for place, thing in enumerate(scene.things)
    ]
    return caption(replace(scene, things=tuple(things)), None)


@pytest.fixture
def rows_of(tmp_path):
    """Write pairs of a model that is right, or wrong in one object or in two."""
    asked = asked_about(SCENES, np.random.default_rng([0, 4]))
    answers = [
        ["Nothing."] * SAMPLES
        if answer is not None
        else [misread(scene, wrong) for wrong in (1, 0, 2, 1)]
        for scene, _, answer in asked
    ]
    write_responses(tmp_path / "responses", answers)
    folder = iter(range(9))

    def rows(**shares):
        target = tmp_path / str(next(folder))
        build_preferences(target, tmp_path / "responses", SCENES, WorldConfig(**shares))
        table = pq.read_table(target / "train-00000-of-00001.parquet").to_pylist()
        return [row | json.loads(row["origin_split"]) for row in table]

    return rows


def scene_of(row):
    return SCENES[int(row["image_path"].removesuffix(".png"))]


def described(rows):
    return [row for row in rows if row["type"] == "description"]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_stated_share_of_pairs_is_swapped_and_says_so(rows_of, share):
    rows = described(rows_of(mislabelled_share=share))
    for row in rows:
        right, wrong = errors(scene_of(row), row["chosen"]), errors(scene_of(row), row["rejected"])
        assert (right > wrong) == (row["mislabelled"] == "yes")
    swapped = np.mean([row["mislabelled"] == "yes" for row in rows])
    assert swapped == pytest.approx(share, abs=0.1)
    assert len(rows) > 60


def test_with_all_shares_off_every_pair_is_plain_and_labelled_right(rows_of):
    rows = rows_of(obvious_share=0, subtle_share=0, mislabelled_share=0)
    assert {(row["hardness"], row["mislabelled"]) for row in rows} == {("plain", "no")}


@pytest.mark.parametrize("share", ["obvious_share", "subtle_share"])
def test_a_share_of_one_makes_every_description_so(rows_of, share):
    rows = described(rows_of(**{"obvious_share": 0, "subtle_share": 0, share: 1}))
    assert {row["hardness"] for row in rows} == {share.removesuffix("_share")}


def test_errors_fall_from_obvious_to_subtle(rows_of):
    rows = described(rows_of(obvious_share=0.3, subtle_share=0.5, mislabelled_share=0))
    assert all(row["errors"] == errors(scene_of(row), row["rejected"]) for row in rows)
    mean = [np.mean([r["errors"] for r in rows if r["hardness"] == one]) for one in HARDNESS]
    assert mean[0] > mean[1] > mean[2]
    assert {row["errors"] for row in rows if row["hardness"] == "subtle"} == {2}


def test_the_margin_of_a_pair_is_its_number_of_errors(rows_of, tmp_path, monkeypatch):
    """Counted in the texts: sentences that one response has and the other lacks; one wrong answer.

    Of a mislabelled pair the chosen response has them.
    """
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    rows = rows_of(mislabelled_share=0.3)
    counted = []
    for row in rows:
        chosen, rejected = ({one.strip() for one in row[side].split(".")} for side in SIDES)
        errors = len(chosen ^ rejected) if row["type"] == "description" else 1
        counted.append(-errors if row["mislabelled"] == "yes" else errors)
    assert margins(Preferences(tmp_path / "0")) == counted
    assert min(counted) < -1
    assert max(counted) > 3


def test_the_same_seed_writes_the_same_pairs_and_another_seed_others(rows_of):
    one, same, other = (
        [row["image_path"] + row["rejected"] for row in rows_of(seed=seed)] for seed in (3, 3, 4)
    )
    assert one == same
    assert one != other


@given(st.integers(0, 2**32 - 1))
def test_clip_learns_from_a_true_sentence_and_a_false_one(seed):
    rng = np.random.default_rng(seed)
    scene = draw_scene(0, rng, split_scans(0.25)[0], 0.5)
    texts = true_and_false(scene, rng)
    if set(texts) == {"Yes", "No"}:
        return
    true, false = (
        all(holds(claim, scene, NOTHING_ASKED) for claim in claims_in(text, NOTHING_ASKED))
        for text in texts
    )
    assert true
    assert not false
