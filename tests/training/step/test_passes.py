"""How a device's share of a batch is cut into passes."""

from hypothesis import given
from hypothesis import strategies as st

from harness.training.step.passes import split


def size(row):
    """A row of number r takes 10 r positions."""
    return 10 * row


def test_without_a_limit_the_share_is_one_pass():
    assert split([[4, 2, 3]], 0, size, None, None) == [[4, 2, 3]]


def test_pairs_fill_passes_in_order():
    assert split([[5, 6, 7, 8, 9]], 0, size, 2, None) == [[5, 6], [7, 8], [9]]


def test_positions_fill_passes_in_order():
    """10 + 20 fit into 35, 30 more do not; 40 alone is over it and still one pass."""
    assert split([[1, 2, 3, 4]], 0, size, None, 35) == [[1, 2], [3], [4]]


def test_both_limits_hold():
    assert split([[1, 1, 1, 5]], 0, size, 2, 50) == [[1, 1], [1], [5]]


def test_every_device_has_as_many_passes_as_the_one_that_needs_most():
    """The second needs three; the first would need one, and its largest is halved twice."""
    shares = [[1, 1, 1, 1], [4, 4, 2, 2]]
    assert split(shares, 1, size, None, 45) == [[4], [4], [2, 2]]
    assert split(shares, 0, size, None, 45) == [[1], [1], [1, 1]]


@given(
    ranks=st.integers(1, 4),
    share=st.lists(st.lists(st.integers(1, 9), min_size=5, max_size=5), min_size=4, max_size=4),
    pairs=st.none() | st.integers(1, 6),
    tokens=st.none() | st.integers(1, 200),
)
def test_nothing_is_lost_and_all_devices_meet(ranks, share, pairs, tokens):
    shares = share[:ranks]
    found = [split(shares, rank, size, pairs, tokens) for rank in range(ranks)]
    assert len({len(passes) for passes in found}) == 1
    for own, passes in zip(shares, found, strict=True):
        assert [row for one in passes for row in one] == own
        assert all(passes)
        assert all(pairs is None or len(one) <= pairs for one in passes)
        assert all(
            tokens is None or len(one) == 1 or sum(map(size, one)) <= tokens for one in passes
        )
