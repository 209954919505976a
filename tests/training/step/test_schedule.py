"""Learning rate and data order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.training.step.schedule import DataOrder, LearningRate, in_sorted_batches, seeded

RECORDED = [[1, 4, 6, 2], [0, 5, 8, 7], [0, 1, 3, 5], [7, 9, 8, 6]]
"""Two epochs of `order()`, as they were before pairs could stand together by image."""


def order(**changes):
    values = {"pairs": 10, "batch_pairs": 4, "epochs": 2, "shuffle": True, "seed": 0}
    return DataOrder(**(values | changes))


def test_rate_rises_to_the_peak_and_falls_along_half_a_cosine():
    """Warm-up 2 of 10 steps: 0, 1/2, 1; then (1 + cos(pi * k / 8)) / 2, at k = 4 one half."""
    rate = LearningRate(peak=1.0, warmup_steps=2, total_steps=10, shape="cosine")
    assert [rate.at(step) for step in (0, 1, 2)] == [0.0, 0.5, 1.0]
    assert rate.at(6) == pytest.approx(0.5)
    assert rate.at(10) == pytest.approx(0.0)


def test_constant_rate_stays_at_the_peak_after_warm_up():
    rate = LearningRate(peak=2.0, warmup_steps=1, total_steps=5, shape="constant")
    assert [rate.at(step) for step in range(5)] == [0.0, 2.0, 2.0, 2.0, 2.0]


def test_rates_equal_those_of_transformers():
    import torch
    from transformers import get_cosine_schedule_with_warmup

    adam = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3e-4)
    theirs = get_cosine_schedule_with_warmup(adam, num_warmup_steps=3, num_training_steps=17)
    ours = LearningRate(peak=3e-4, warmup_steps=3, total_steps=17, shape="cosine")
    for step in range(17):
        assert ours.at(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        adam.step()
        theirs.step()


def test_file_order_takes_pairs_one_after_another_and_drops_the_rest():
    plain = order(shuffle=False)
    assert plain.total_steps == 4
    assert [plain.rows(step, 0, 1) for step in range(3)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [0, 1, 2, 3],
    ]


def test_half_an_epoch_is_half_of_the_steps():
    """10 pairs in batches of 2 are 5 steps; half of them rounds to 2."""
    assert order(batch_pairs=2, epochs=0.5).total_steps == 2


def test_too_few_pairs_for_one_batch_are_refused():
    with pytest.raises(ConfigError, match=r"3 pairs do not fill one batch of 4"):
        order(pairs=3)


@given(seed=st.integers(0, 2**31), step=st.integers(0, 40), ranks=st.sampled_from([1, 2, 4, 8]))
def test_ranks_together_hold_the_global_batch_in_order(seed, step, ranks):
    shuffled = order(pairs=37, batch_pairs=8, seed=seed)
    together = [row for rank in range(ranks) for row in shuffled.rows(step, rank, ranks)]
    assert together == shuffled.rows(step, 0, 1)


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 5))
def test_an_epoch_holds_no_pair_twice_and_differs_from_the_next(seed, epoch):
    shuffled = order(pairs=40, batch_pairs=8, seed=seed)
    first, second = (
        [row for step in range(5) for row in shuffled.rows(5 * number + step, 0, 1)]
        for number in (epoch, epoch + 1)
    )
    assert sorted(first) == list(range(40))
    assert first != second


def test_pairs_of_an_image_stand_together_where_its_first_one_would():
    """Images a b a c b a: those of a, then b, then c, and the batches are cut from that."""
    together = order(pairs=6, batch_pairs=2, shuffle=False, images=torch.tensor([0, 1, 0, 2, 1, 0]))
    assert [together.rows(step, 0, 1) for step in range(4)] == [[0, 2], [5, 1], [4, 3], [0, 2]]
    wider = order(pairs=6, shuffle=False, images=torch.tensor([0, 1, 0, 2, 1, 0]))
    assert [wider.rows(0, rank, 2) for rank in (0, 1)] == [[0, 2], [5, 1]]


def test_shuffled_images_come_in_the_order_that_as_many_pairs_would_have():
    images = [0, 1, 0, 2, 1, 0]
    found = order(pairs=6, batch_pairs=6, images=torch.tensor(images)).rows(0, 0, 1)
    alone = order(pairs=3, batch_pairs=3).rows(0, 0, 1)
    assert found == [row for image in alone for row in range(6) if images[row] == image]


def numbered(drawn):
    """Number images by their first appearance, as they are read from the data."""
    first = list(dict.fromkeys(drawn))
    return torch.tensor([first.index(one) for one in drawn])


images = st.lists(st.integers(0, 9), min_size=16, max_size=40).map(numbered)


@given(
    images=images,
    shuffle=st.booleans(),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 3),
    ranks=st.sampled_from([1, 2, 4]),
)
def test_by_image_an_epoch_holds_no_pair_twice_and_comes_to_no_image_again(
    images, shuffle, seed, epoch, ranks
):
    """Up to the dropped rest; the shares of all ranks, one after another, are the epoch."""
    by_image = order(pairs=len(images), batch_pairs=4, shuffle=shuffle, seed=seed, images=images)
    steps = range(epoch * by_image.steps_per_epoch, (epoch + 1) * by_image.steps_per_epoch)
    rows = [row for s in steps for rank in range(ranks) for row in by_image.rows(s, rank, ranks)]
    assert rows == [row for s in steps for row in by_image.rows(s, 0, 1)]
    assert len(rows) == len(set(rows)) == 4 * by_image.steps_per_epoch
    assert set(rows) <= set(range(len(images)))
    seen = images[torch.tensor(rows)].unique_consecutive()
    assert len(seen) == len(seen.unique())


@given(images=images, seed=st.integers(0, 2**31), step=st.integers(0, 40))
def test_by_image_a_step_is_the_same_whatever_ran_before_it(images, seed, step):
    """A run that goes on asks a new order for a step in the middle."""
    first, again = (
        order(pairs=len(images), batch_pairs=4, seed=seed, images=images.clone()) for _ in range(2)
    )
    before = [first.rows(number, 0, 1) for number in range(step + 1)]
    assert again.rows(step, 0, 1) == before[-1]


@given(shuffle=st.booleans(), seed=st.integers(0, 2**31), step=st.integers(0, 40))
def test_pairs_with_images_of_their_own_keep_the_methods_order(shuffle, seed, step):
    plain, by_image = (
        order(pairs=37, batch_pairs=8, shuffle=shuffle, seed=seed, images=images)
        for images in (None, torch.arange(37))
    )
    assert by_image.rows(step, 0, 1) == plain.rows(step, 0, 1)


def test_pairs_are_sorted_by_their_value_and_cut_into_batches():
    """From the lowest on; of the two pairs of 0.3 the first one comes first."""
    values = torch.tensor([0.3, 0.1, 0.9, 0.3, -2.0, 0.2])
    assert in_sorted_batches(values, 2, None).tolist() == [4, 1, 5, 0, 3, 2]
    by_value = order(pairs=6, batch_pairs=2, shuffle=False, values=values)
    assert [by_value.rows(step, 0, 1) for step in range(4)] == [[4, 1], [5, 0], [3, 2], [4, 1]]
    assert [by_value.rows(1, rank, 2) for rank in (0, 1)] == [[5], [0]]


def test_batches_of_sorted_pairs_come_in_the_order_that_is_drawn():
    """The last of the batches is one pair short, wherever it comes."""
    drawn = torch.randperm(4, generator=torch.Generator().manual_seed(1)).tolist()
    assert drawn != sorted(drawn)
    found = in_sorted_batches(torch.arange(7.0), 2, torch.Generator().manual_seed(1)).tolist()
    assert found == [row for number in drawn for row in range(7)[2 * number : 2 * number + 2]]


@given(
    values=st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=40).map(torch.tensor),
    size=st.sampled_from([1, 4, 8]),
    seed=st.integers(0, 2**31),
    shuffle=st.booleans(),
)
def test_sorted_batches_hold_every_pair_once_and_no_other_lies_between(values, size, seed, shuffle):
    """Each batch stands in the sorted pairs as one piece, the lowest value first."""
    found = in_sorted_batches(values, size, seeded(seed, 0) if shuffle else None).tolist()
    ordered = sorted(range(len(values)), key=lambda row: float(values[row]))
    assert sorted(found) == sorted(ordered)
    pieces = {tuple(ordered[i : i + size]) for i in range(0, len(ordered), size)}
    while found:
        piece = next(one for one in pieces if found[: len(one)] == list(one))
        pieces.remove(piece)
        found = found[len(piece) :]
    assert not pieces


@given(
    batches=st.integers(1, 6),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 3),
    ranks=st.sampled_from([1, 2, 4]),
)
def test_by_value_every_step_takes_one_of_the_batches_on_any_number_of_ranks(
    batches, shuffle, seed, epoch, ranks
):
    """Where pairs fill whole batches; whatever steps were asked for before."""
    values = torch.rand(4 * batches, generator=seeded(seed, 1))
    by_value, again = (
        order(pairs=4 * batches, shuffle=shuffle, seed=seed, values=values.clone())
        for _ in range(2)
    )
    steps = range(epoch * batches, (epoch + 1) * batches)
    rows = [[r for rank in range(ranks) for r in by_value.rows(s, rank, ranks)] for s in steps]
    assert rows[-1] == again.rows(steps[-1], 0, 1)
    expected = values.argsort(stable=True).view(batches, 4).tolist()
    assert (sorted(rows) if shuffle else rows) == (sorted(expected) if shuffle else expected)


def test_a_short_batch_moves_those_behind_it_and_the_last_pairs_are_dropped():
    """Seven pairs in batches of three: two steps, whose pairs follow the drawn order of all."""
    by_value = order(pairs=7, batch_pairs=3, values=torch.arange(7.0))
    epochs = []
    for epoch in range(20):
        rows = [row for step in (0, 1) for row in by_value.rows(2 * epoch + step, 0, 1)]
        whole = in_sorted_batches(torch.arange(7.0), 3, seeded(0, -1 - epoch)).tolist()
        assert rows == whole[:6]
        epochs.append((set(range(7)) - set(rows)).pop())
    assert set(epochs) == {2, 5, 6}


def test_without_images_the_order_is_that_of_before_there_were_any():
    assert [order().rows(step, 0, 1) for step in range(4)] == RECORDED


def test_generators_depend_on_seed_and_step_only():
    assert seeded(1, 2).initial_seed() == seeded(1, 2).initial_seed()
    assert len({seeded(seed, step).initial_seed() for seed in (0, 1) for step in (0, 1)}) == 4
