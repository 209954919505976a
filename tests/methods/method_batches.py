"""Batches and ranks for the tests of the losses."""

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import torch
from hypothesis import strategies as st

from harness.registry import load_method
from methods.catalog import BUILTIN
from methods.types import PairBatch, ResponseLogps
from methods.views import ViewBatch, views_of

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


def marked(one):
    """With the end once more and a token of the prompt behind each response, and a statistic."""
    count = one.mask.sum(-1, keepdim=True)
    end = one.mask & (one.mask.cumsum(-1) == count)
    none = torch.zeros(len(end), 2, dtype=torch.bool)
    places = torch.arange(end.shape[1] + 2)

    def wider(values):
        return torch.cat([values, none.to(values.dtype)], dim=1)

    marks = {
        "end": wider(end),
        "end_again": (places == end.shape[1]).expand(len(end), -1),
        "prompt": (places == end.shape[1] + 1).expand(len(end), -1),
    }
    fields = map(wider, (one.policy, one.reference, one.mask, one.changed))
    return ResponseLogps(*fields, marks, {"log_sum_p2": wider(one.reference / 2)})


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
    columns["margin_factor"] = clip_gap.sigmoid()
    return with_views(PairBatch(side(), side(), columns))


def with_views(batch):
    """Every view that a built-in method declares, and a divergence."""

    def lower(one, step):
        return replace(one, policy=(0.9 * one.policy - step) * scored(one))

    views = {name: lower(batch.chosen, 0.1 * i) for i, name in enumerate(VIEWS)}
    sides = (batch.chosen, batch.rejected)
    return ViewBatch(
        **vars(batch),
        views=views,
        divergence=tuple(one.mask * one.policy.square() / 50 for one in sides),
    )


def scored(response):
    return functools.reduce(torch.logical_or, response.marks.values(), response.mask)


def swapped(batch):
    return replace(batch, chosen=batch.rejected, rejected=batch.chosen)


def rows(batch, index):
    """The batch of some of its rows, in the order of the index."""

    def of(one):
        return ResponseLogps(
            one.policy[index],
            one.reference[index],
            one.mask[index],
            one.changed[index],
            {name: mark[index] for name, mark in one.marks.items()},
            {name: values[index] for name, values in one.statistics.items()},
        )

    columns = {name: values[index] for name, values in batch.columns.items()}
    if not isinstance(batch, ViewBatch):
        return PairBatch(of(batch.chosen), of(batch.rejected), columns)
    return ViewBatch(
        of(batch.chosen),
        of(batch.rejected),
        columns,
        {name: of(view) for name, view in batch.views.items()},
        tuple(values[index] for values in batch.divergence),
    )


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@dataclass
class OneRank:
    """A world of one rank."""

    training: bool = True
    rank: int = 0
    shared_rng: torch.Generator = field(default_factory=generator)

    def gather(self, values):
        return values.detach()


@dataclass
class _ThreadRank(OneRank):
    board: list = field(default_factory=list)
    barrier: threading.Barrier | None = None

    def gather(self, values):
        self.board[self.rank] = values.detach()
        self.barrier.wait()
        everyone = torch.cat(self.board)
        self.barrier.wait()
        return everyone


def on_ranks(loss, batches, config, state, training=True, seed=0):
    """Run a loss with one thread per rank and return the outputs in rank order."""
    board, barrier = [None] * len(batches), threading.Barrier(len(batches), timeout=30)

    def run(rank):
        context = _ThreadRank(training, rank, generator(seed), board, barrier)
        return loss(batches[rank], config, state, context)

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(run, range(len(batches))))


def total(outputs):
    """The batch loss over all ranks."""
    return sum((output.losses * output.weights).sum() for output in outputs)
