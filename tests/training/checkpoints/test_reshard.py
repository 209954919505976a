"""Optimizer state moves between any numbers of ranks."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from harness.errors import DataError
from harness.training.checkpoints.reshard import FRAGMENTS, resharded
from harness.training.step.fragments import Fragment, whole


def test_two_fragments_share_what_both_hold():
    """Elements 4-9 of w at place 0, and 7-11 at place 20: 7, 8 and 9 are in both."""
    one, other = Fragment("w", 4, 0, 0, 6), Fragment("w", 7, 1, 20, 5)
    assert one.overlap(other) == (slice(3, 6), slice(20, 23))
    assert one.overlap(Fragment("w", 10, 0, 0, 3)) is None
    assert one.overlap(Fragment("v", 4, 0, 0, 6)) is None


def flat_ranks(sizes, ranks):
    """Lay weights one behind the other, as ZeRO-1 and 2 do: equal pieces, the last padded."""
    total = sum(sizes.values())
    piece = -(-total // ranks)
    layouts = []
    for rank in range(ranks):
        begin, end, offset, found = rank * piece, (rank + 1) * piece, 0, []
        for name, size in sizes.items():
            first, last = max(offset, begin), min(offset + size, end)
            if first < last:
                found.append(Fragment(name, first - offset, 0, first - begin, last - first))
            offset += size
        layouts.append((found, piece))
    return layouts


def cut_ranks(sizes, ranks):
    """Cut every weight, as ZeRO-3 does."""
    layouts = []
    for rank in range(ranks):
        offset, found = 0, []
        for name, size in sizes.items():
            piece = -(-size // ranks)
            length = min(piece, size - rank * piece)
            if length > 0:
                found.append(Fragment(name, rank * piece, 0, offset, length))
            offset += piece
        layouts.append((found, offset))
    return layouts


def element(name, index):
    return float(1000 * ord(name) + index)


def write(folder, layouts, drop=()):
    files = []
    for rank, (fragments, size) in enumerate(layouts):
        if rank in drop:
            continue
        flat = torch.zeros(size)
        for one in fragments:
            for i in range(one.length):
                flat[one.offset + i] = element(one.name, one.start + i)
        tensors = {"0.master": flat, "0.exp_avg": -flat, "0.step": torch.tensor(7.0)}
        files.append(folder / f"optimizer-{rank:04d}.safetensors")
        save_file(tensors, files[-1], metadata={FRAGMENTS: json.dumps(fragments)})
    return files


LAYOUTS = st.tuples(st.sampled_from([flat_ranks, cut_ranks]), st.integers(1, 4))


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    before=LAYOUTS,
    after=LAYOUTS,
)
def test_every_element_arrives_whatever_the_layouts(tmp_path_factory, sizes, before, after):
    named = dict(zip("abcd", sizes, strict=False))
    files = write(tmp_path_factory.mktemp("saved"), before[0](named, before[1]))
    for fragments, size in after[0](named, after[1]):
        if not fragments:
            continue
        found = resharded(files, fragments, {"0.master": torch.zeros(size)})
        assert found["0.step"] == 7
        held = torch.zeros(size, dtype=torch.bool)
        for one in fragments:
            place = slice(one.offset, one.offset + one.length)
            expected = [element(one.name, one.start + i) for i in range(one.length)]
            assert found["0.master"][place].tolist() == expected
            assert found["0.exp_avg"][place].tolist() == [-value for value in expected]
            held[place] = True
        assert not found["0.master"][~held].any()


def test_a_missing_file_is_told_with_what_it_held(tmp_path):
    layouts = flat_ranks({"a": 8}, 2)
    files = write(tmp_path, layouts, drop={1})
    with pytest.raises(DataError, match="lacks 4 of 8 elements of a"):
        resharded(files, [Fragment("a", 0, 0, 0, 8)], {"0.master": torch.zeros(8)})


def test_whole_weights_keep_their_shape(tmp_path):
    """Without ZeRO a rank holds the weights as they are; another reads them flat, and back."""
    weight = torch.arange(6.0).view(2, 3)
    (fragment,) = whole({"w": weight})
    assert fragment == Fragment("w", 0, 0, 0, 6)
    file = tmp_path / "optimizer-0000.safetensors"
    save_file({"0.master": weight}, file, metadata={FRAGMENTS: json.dumps([fragment])})
    flat = resharded([file], [Fragment("w", 2, 0, 1, 3)], {"0.master": torch.zeros(5)})
    assert flat["0.master"].tolist() == [0, 2, 3, 4, 0]
    again = resharded([file], [fragment], {"0.master": torch.zeros(2, 3)})
    assert torch.equal(again["0.master"], weight)
