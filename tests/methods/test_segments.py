import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.segments import changed_in_batch, changed_tokens

RULES = ["paper", "released"]
TOKENS = st.lists(st.integers(1, 6), max_size=40)
SHARED = [11, 12, 13]


def places(mask):
    return [place for place, marked in enumerate(mask) if marked]


@pytest.mark.parametrize("rule", RULES)
def test_a_replaced_span_is_marked_on_both_sides(rule):
    """Between two matches of three tokens stand 1 2 in the chosen and 7 in the rejected."""
    chosen, rejected = changed_tokens([*SHARED, 1, 2, *SHARED], [*SHARED, 7, *SHARED], rule)
    assert (places(chosen), places(rejected)) == ([3, 4], [3])


@pytest.mark.parametrize("rule", RULES)
def test_an_insertion_marks_nothing(rule):
    chosen, rejected = changed_tokens([*SHARED, 1, 2, *SHARED], SHARED * 2, rule)
    assert (places(chosen), places(rejected)) == ([], [])


def test_a_match_shorter_than_the_minimum_is_part_of_the_change():
    """11 12 at the end are equal, but two tokens only: with 3 they are changed, with 2 not."""
    chosen, rejected = [*SHARED, 1, 11, 12], [*SHARED, 7, 11, 12]
    assert places(changed_tokens(chosen, rejected, "paper", min_match=3)[0]) == [3, 4, 5]
    assert places(changed_tokens(chosen, rejected, "paper", min_match=2)[0]) == [3]


def test_frequent_tokens_anchor_nothing_in_long_sequences_under_the_released_rule():
    """Token 5 fills 200 places: with autojunk it cannot anchor the long common run."""
    chosen, rejected = [1, *[5] * 199], [2, *[5] * 199]
    assert places(changed_tokens(chosen, rejected, "paper")[0]) == [0]
    assert places(changed_tokens(chosen, rejected, "released")[0]) == list(range(200))


def test_padding_moves_a_segment_under_the_released_rule_only():
    """One chosen response ends early. Its three pad tokens face the end of the rejected one.

    Unpadded, 7 8 9 is a deletion and marks nothing; padded, it is replaced by 0 0 0.
    """
    chosen, rejected = [[1, *SHARED], [1, *SHARED, 4, 5, 6]], [[1, *SHARED, 7, 8, 9]] * 2
    alone = changed_in_batch(chosen, rejected, "paper", pad_id=0)
    padded = changed_in_batch(chosen, rejected, "released", pad_id=0)
    assert [places(mask) for mask in alone[0]] == [[], []]
    assert [places(mask) for mask in padded[0]] == [[], [3, 4, 5]]
    assert alone[1] == padded[1]


def test_a_response_shorter_than_a_match_is_changed_even_if_equal():
    assert changed_tokens([4, 5], [4, 5], "released") == ([True, True], [True, True])


@given(st.lists(st.integers(1, 6), min_size=3, max_size=40), st.sampled_from(RULES))
def test_equal_sequences_that_can_match_have_no_changed_tokens(tokens, rule):
    assert changed_tokens(tokens, tokens, rule) == ([False] * len(tokens),) * 2


@given(TOKENS, TOKENS, st.sampled_from(RULES), st.integers(1, 4))
def test_masks_fit_and_both_sides_have_changes_or_none(chosen, rejected, rule, min_match):
    in_chosen, in_rejected = changed_tokens(chosen, rejected, rule, min_match)
    assert (len(in_chosen), len(in_rejected)) == (len(chosen), len(rejected))
    assert any(in_chosen) == any(in_rejected)


@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=4))
def test_without_padding_a_pair_does_not_depend_on_its_batch(pairs):
    whole = [([1, *chosen], [1, *rejected]) for chosen, rejected in pairs]
    masks = changed_in_batch(*([pair[i] for pair in whole] for i in (0, 1)), "paper", pad_id=0)
    assert masks == [changed_tokens(chosen, rejected, "paper") for chosen, rejected in pairs]


@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=4))
def test_masks_leave_out_the_first_token_and_the_padding(pairs):
    whole = [([1, *chosen], [1, *rejected]) for chosen, rejected in pairs]
    masks = changed_in_batch(*([pair[i] for pair in whole] for i in (0, 1)), "released", pad_id=0)
    lengths = [(len(chosen), len(rejected)) for chosen, rejected in pairs]
    assert [(len(chosen), len(rejected)) for chosen, rejected in masks] == lengths
