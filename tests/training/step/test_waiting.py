"""What the host does not wait for while a GPU works."""

import pytest
import torch

from harness.data.rows.packing import pack
from harness.gpu_check.made import TINY, collator
from harness.training.attention.rows import subtree_ends
from harness.training.attention.segments import segment_attention
from harness.training.attention.varlen import segment_plan

DEVICE = torch.device("meta")


@pytest.fixture
def waited(monkeypatch):
    """Of every copy to another device by now, whether the host waits for it."""
    copy, found = torch.Tensor.to, []

    def noted(tensor, *args, non_blocking=False, **kwargs):
        moved = copy(tensor, *args, non_blocking=non_blocking, **kwargs)
        if moved.device != tensor.device:
            found.append(not non_blocking)
        return moved

    monkeypatch.setattr(torch.Tensor, "to", noted)
    return found


def test_a_batch_is_copied_without_waiting(waited):
    """A row's ids, positions and needed places, images, twice three masks, and two columns."""
    batch = collator(TINY, 2)(range(2)).to(DEVICE)
    assert {one.device for one in (batch.packed.input_ids, batch.images)} == {DEVICE}
    assert waited
    assert not any(waited)


def test_what_attention_derives_from_a_row_is_copied_without_waiting(waited):
    """A plan, the ends of subtrees, and one mask: the second response has more ancestors."""
    prompt = [1] * 9
    row, _ = pack([[*prompt, 2, 3], [*prompt, 4, 5]], [9, 9])
    row = row.to(DEVICE)
    waited.clear()
    segment_plan(row)
    subtree_ends(row)
    states = torch.zeros(3, 1, 2, row.positions, 8, device=DEVICE)
    segment_attention(None, *states, None, scaling=1.0, packed_row=row)
    assert waited == [False] * 3
