"""`regress` finds what moved in the committed tables: faults are planted in copies of rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.regression.moves import Held, held_against
from harness.regression.reference import number_of, read_reference

TABLES = Path(__file__).parents[2] / "results" / "tiny"


@pytest.fixture(scope="module")
def reference():
    return read_reference(TABLES)


@pytest.fixture(scope="module")
def dpo(reference):
    """The official numbers of one run of DPO."""
    rows = [rows[0] for rows in reference.records.values()]
    found = [one for one in rows if (one.method, one.variant, one.seed) == ("dpo", "", "0")]
    assert found
    return found


def moved(held: Held) -> set[str]:
    return {move.what for move in held.moves if move.is_beyond}


def test_what_is_as_it_was_has_not_moved(reference, dpo):
    held = held_against(dpo, reference)
    assert held.compared == len(dpo)
    assert not held.moves


def test_a_number_that_moved_in_its_last_digit_is_found(reference, dpo):
    changed = replace(dpo[0], value=str(float(dpo[0].value) + 0.1))
    held = held_against([changed, *dpo[1:]], reference)
    assert held.is_beyond
    assert len(moved(held)) == 1


def test_a_dropped_item_is_found(reference, dpo):
    changed = replace(dpo[0], samples=str(int(dpo[0].samples) - 1))
    assert f"{dpo[0].benchmark}: samples" in moved(held_against([changed, *dpo[1:]], reference))


def test_another_judge_is_found(reference, dpo):
    changed = [replace(one, judge="gpt-4o") for one in dpo]
    assert {f"{one.benchmark}: judge" for one in dpo} <= moved(held_against(changed, reference))


def test_two_columns_that_are_swapped_are_found(reference, dpo):
    """Object HalBench's shares of responses and of mentions."""
    own = {one.metric: one for one in dpo if one.benchmark == "object_halbench"}
    first, second = list(own.values())[:2]
    swapped = {
        number_of(first): replace(first, value=second.value),
        number_of(second): replace(second, value=first.value),
    }
    rows = [swapped.get(number_of(one), one) for one in dpo]
    assert len(moved(held_against(rows, reference))) == 2


def test_a_number_that_is_gone_is_found(reference, dpo):
    held = held_against(dpo[1:], reference)
    assert any(move.why == "is gone" for move in held.moves)
