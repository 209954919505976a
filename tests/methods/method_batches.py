"""Batches for the tests of the losses."""

import torch
from hypothesis import strategies as st

from harness.registry import load_method
from harness.training.contract.batches import marked, with_views
from methods.catalog import BUILTIN
from methods.types import PairBatch, ResponseLogps
from methods.views import views_of

LOGP = st.floats(min_value=-20, max_value=0, width=32)
METHODS = [load_method(name) for name in BUILTIN]
VIEWS = sorted({view.name for one in METHODS for view in views_of(one, one.config())})


def response(policy, reference, mask=None, changed=None, dtype=torch.float64):
    """One response per row; by default every token counts and none has changed."""
    policy, reference = (torch.tensor(rows, dtype=dtype) for rows in (policy, reference))
    mask = torch.ones_like(policy) if mask is None else torch.tensor(mask)
    changed = torch.zeros_like(policy) if changed is None else torch.tensor(changed)
    mask = mask.bool()
    return ResponseLogps(policy * mask, reference * mask, mask, changed.bool() & mask)


def sums(
    policy_chosen,
    policy_rejected=None,
    reference_chosen=None,
    reference_rejected=None,
    dtype=torch.float64,
):
    """A batch of one-token responses, so that the sums are the numbers given; zeros by default."""
    zeros = [0.0] * len(policy_chosen)

    def column(values):
        return [[value] for value in (values or zeros)]

    return PairBatch(
        chosen=response(column(policy_chosen), column(reference_chosen), dtype=dtype),
        rejected=response(column(policy_rejected), column(reference_rejected), dtype=dtype),
        columns={},
    )


@st.composite
def pair_batches(draw, min_pairs=1, max_pairs=8, dtype=torch.float64):
    pairs = draw(st.integers(min_pairs, max_pairs))
    tokens = draw(st.integers(1, 6))

    def grid(cell):
        row = st.lists(cell, min_size=tokens, max_size=tokens)
        return draw(st.lists(row, min_size=pairs, max_size=pairs))

    def side():
        mask = [[True, *row[1:]] for row in grid(st.booleans())]
        return marked(response(grid(LOGP), grid(LOGP), mask, grid(st.booleans()), dtype=dtype))

    clip = draw(st.lists(st.floats(-2, 2), min_size=pairs, max_size=pairs))
    clip_gap = torch.tensor(clip, dtype=dtype)
    columns = {"clip_gap": clip_gap, "clip_gap_mean": clip_gap.mean().expand(pairs)}
    others = {name for method in BUILTIN for name in load_method(method).columns} - {*columns}
    columns |= {name: clip_gap.sigmoid() for name in sorted(others)}
    return with_views(PairBatch(side(), side(), columns), VIEWS)
