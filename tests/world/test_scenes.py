"""Laws of scenes, of their drawings and of what is said about them."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.world.claims import Context, claims_in, holds
from harness.world.draw import CELL, MIN_DISTANCE, SIDE, digit_scans, draw, glyphs, split_scans
from harness.world.language import aside, caption, sentence
from harness.world.preferences import corrected, errors
from harness.world.scenes import (
    CELLS,
    COLOURS,
    GRID,
    GROUP_OF,
    OBJECTS,
    draw_scene,
    draw_scenes,
    scene_from_json,
)

TRAIN, HELD_OUT = split_scans(0.25)
NOTHING_ASKED = Context()


@st.composite
def scenes(draw_value, scans=TRAIN):
    seed = draw_value(st.integers(0, 2**32 - 1))
    share = draw_value(st.floats(0, 1))
    return draw_scene(seed, np.random.default_rng(seed), scans, share)


@st.composite
def responses(draw_value):
    """Sentences about any scene, with or without an object mentioned in passing, or any text."""
    other = draw_value(scenes())
    said = draw_value(st.lists(st.sampled_from([sentence(thing) for thing in other.things])))
    passing = [aside(name) for name in draw_value(st.lists(st.sampled_from(OBJECTS), max_size=2))]
    noise = draw_value(st.lists(st.text(max_size=20), max_size=1))
    return " ".join(draw_value(st.permutations([*said, *passing, *noise])))


def mentioned(text):
    return {claim.about for claim in claims_in(text, NOTHING_ASKED) if claim.kind == "present"}


def cell_of(image, cell):
    row, column = divmod(cell, GRID)
    return image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]


@given(scenes())
def test_a_scene_shows_two_to_five_kinds_of_objects(scene):
    assert 2 <= len(scene.things) <= 5
    assert len(scene.names) == len(scene.things)
    assert sum(GROUP_OF[name] != scene.place for name in scene.names) <= 1


@given(scenes())
def test_no_cell_holds_two_things(scene):
    cells = [one.cell for one in (*scene.things, *scene.signs)]
    assert len(set(cells)) == len(cells)
    assert set(cells) <= set(range(CELLS))


@given(scenes())
def test_a_scene_survives_json(scene):
    assert scene_from_json(json.loads(json.dumps(scene.to_json()))) == scene


@given(st.integers(0, 1000), st.integers(1, 4))
def test_one_more_scene_changes_none_of_the_others(first, count):
    some = draw_scenes(first, count, 0, TRAIN, 0.5)
    assert draw_scenes(first, count + 1, 0, TRAIN, 0.5)[:-1] == some
    assert [scene.id for scene in some] == list(range(first, first + count))


@given(scenes(), st.booleans())
def test_the_true_caption_mentions_exactly_what_is_there_and_is_true(scene, in_passing):
    """With the companion in passing only where there is one."""
    companion = scene.companion if in_passing and scene.companion in scene.names else None
    text = caption(scene, companion)
    assert mentioned(text) == scene.names
    claims = claims_in(text, NOTHING_ASKED)
    assert all(holds(claim, scene, NOTHING_ASKED) for claim in claims)


@given(scenes())
def test_a_missing_companion_in_passing_is_the_one_false_claim(scene):
    text = caption(scene, scene.companion)
    false = {
        claim.about
        for claim in claims_in(text, NOTHING_ASKED)
        if not holds(claim, scene, NOTHING_ASKED)
    }
    assert false == {scene.companion} - scene.names


@given(scenes(), responses())
def test_a_corrected_response_is_true_complete_and_its_own_correction(scene, response):
    right = corrected(scene, response)
    assert mentioned(right) == scene.names
    assert all(holds(claim, scene, NOTHING_ASKED) for claim in claims_in(right, NOTHING_ASKED))
    assert corrected(scene, right) == right
    assert errors(scene, right) == 0


@given(scenes(), st.booleans())
def test_a_true_caption_has_no_errors(scene, in_passing):
    companion = scene.thing(scene.companion)
    assert errors(scene, caption(scene, scene.companion if in_passing and companion else None)) == 0


@given(scenes(), st.data())
def test_one_false_sentence_is_two_errors(scene, data):
    """The false sentence is said in vain, and the true one in its place is missing."""
    text = corrected(scene, "")
    described = [thing for thing in scene.things if sentence(thing) in text]
    thing = data.draw(st.sampled_from(described))
    colour = data.draw(st.sampled_from([name for name in COLOURS if name != thing.colour]))
    false = text.replace(sentence(thing), sentence(replace(thing, colour=colour)))
    assert errors(scene, false) == 2


def test_glyphs_differ_from_each_other_also_upside_down():
    patterns = glyphs()
    assert tuple(patterns) == OBJECTS
    assert len(OBJECTS) >= 20
    for one, two in combinations(patterns.values(), 2):
        assert np.count_nonzero(one != two) >= MIN_DISTANCE
        assert np.count_nonzero(one != two[::-1]) >= MIN_DISTANCE
    for pattern in patterns.values():
        assert np.count_nonzero(pattern != pattern[::-1]) >= MIN_DISTANCE


def test_every_scan_belongs_to_one_split_and_shows_its_digit():
    labels = digit_scans()[1]
    for digit in range(10):
        assert set(TRAIN[digit]).isdisjoint(HELD_OUT[digit])
        both = sorted([*TRAIN[digit], *HELD_OUT[digit]])
        assert both == np.flatnonzero(labels == digit).tolist()
        assert len(HELD_OUT[digit]) > 0


@given(scenes(HELD_OUT))
def test_the_signs_of_held_out_scenes_are_never_among_training_scans(scene):
    labels = digit_scans()[1]
    seen = {scan for scans in TRAIN.values() for scan in scans}
    assert seen.isdisjoint(sign.scan for sign in scene.signs)
    assert all(labels[sign.scan] == sign.digit for sign in scene.signs)


@given(scenes())
def test_drawing_again_gives_the_same_pixels(scene):
    image = draw(scene)
    assert image.size == (SIDE, SIDE)
    assert image.tobytes() == draw(scene_from_json(scene.to_json())).tobytes()


@given(scenes(), st.data())
def test_another_colour_changes_the_pixels_of_one_cell_only(scene, data):
    thing = data.draw(st.sampled_from(scene.things))
    colour = data.draw(st.sampled_from([name for name in COLOURS if name != thing.colour]))
    repainted = tuple(replace(one, colour=colour) if one is thing else one for one in scene.things)
    before, after = (np.asarray(draw(one)) for one in (scene, replace(scene, things=repainted)))
    for cell in range(CELLS):
        same = np.array_equal(cell_of(before, cell), cell_of(after, cell))
        assert same == (cell != thing.cell)
