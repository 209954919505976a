"""Groups of pairs by hand, and what they share."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.margins.groups import by_clip_gap, by_kind, everything
from harness.margins.records import Lengths, PairMargins, Sides


def pair(before=0.0, after=0.0, clip_gap=None, **origin):
    sides = Sides(before, 0.0), Sides(after, 0.0)
    return PairMargins(0, "0", *sides, Lengths(1, 1), clip_gap, origin)


def test_fifths_go_from_hard_to_easy():
    pairs = [pair(before=gap, after=2 * gap, clip_gap=gap) for gap in (3, 1, 2, 5, 4)]
    groups = by_clip_gap(pairs)
    assert [one.span for one in groups] == [(gap, gap) for gap in (1, 2, 3, 4, 5)]
    assert [one.reward_gap for one in groups] == [1, 2, 3, 4, 5]
    assert groups[0].name == "fifth 1, hardest"
    assert groups[4].name == "fifth 5, easiest"


def test_where_clip_gap_of_few_is_known_there_are_no_fifths():
    assert by_clip_gap([pair()] * 100 + [pair(clip_gap=1.0)] * 4) == []


def test_kinds_are_the_datas_words_and_mislabelled_pairs_are_apart():
    pairs = [
        pair(hardness="subtle", mislabelled="no"),
        pair(before=1, after=3, hardness="obvious", mislabelled="no"),
        pair(before=2, after=1, hardness="obvious", mislabelled="yes"),
        pair(hardness="own word"),
        pair(),
    ]
    found = {one.name: (one.pairs, one.reward_gap, one.grown) for one in by_kind(pairs)}
    assert found == {
        "obvious": (1, 2, 100),
        "subtle": (1, 0, 0),
        "own word": (1, 0, 0),
        "mislabelled": (1, -1, 0),
    }
    assert list(found)[-1] == "mislabelled"


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=5, max_size=60))
def test_the_fifths_hold_every_pair_once(values):
    pairs = [pair(before, after, gap) for before, after, gap in values]
    groups, every = by_clip_gap(pairs), everything(pairs)
    assert sum(one.pairs for one in groups) == len(pairs)
    mean = sum(one.pairs * one.after for one in groups) / len(pairs)
    assert mean == pytest.approx(every.after, abs=1e-6)
    assert every.reward_gap == pytest.approx(fmean(a - b for b, a, _ in values), abs=1e-6)
