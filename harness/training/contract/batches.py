"""Made batches of log-probabilities, and what the laws do with a batch."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from harness.data.columns.columns import with_means
from harness.training.step.declared import Declared
from methods.types import LossOutput, Mark, Method, MethodConfig, PairBatch, ResponseLogps
from methods.views import ViewBatch, views_of

PAIRS = 4
"""Of a made batch, which two and four ranks share equally."""
_TOKENS = 6
_LOWEST = -20.0
"""Nats of the least likely token."""


def made_batch(method: Method[Any, Any], seed: int) -> PairBatch:
    """Draw a batch with whatever a method may declare; it is the same for the same seed.

    Every response has one token at least; columns lie between minus one and one, and numbers of
    tokens above zero up to one.
    """
    draw = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=torch.float64)

    per_token = sorted(method.token_columns)

    def response() -> ResponseLogps:
        lengths = torch.randint(1, _TOKENS + 1, (PAIRS, 1), generator=draw)
        mask = torch.arange(_TOKENS) < lengths
        policy, reference = (_LOWEST * uniform(PAIRS, _TOKENS) * mask for _ in range(2))
        changed = (uniform(PAIRS, _TOKENS) < 0.5) & mask
        numbers = {name: (1 - uniform(PAIRS, _TOKENS)) * mask for name in per_token}
        return marked(ResponseLogps(policy, reference, mask, changed, columns=numbers))

    columns = with_means({name: 2 * uniform(PAIRS) - 1 for name in sorted(method.columns)})
    views = [view.name for view in views_of(method, method.config())]
    return apart(with_views(PairBatch(response(), response(), columns), views))


def with_views(batch: PairBatch, names: Sequence[str]) -> ViewBatch:
    """Return the batch with these views, each less likely than the chosen one, and a divergence."""

    def lower(one: ResponseLogps, step: float) -> ResponseLogps:
        policy = (0.9 * one.policy - step) * scored(one)
        return replace(one, policy=policy, columns={})

    sides = (batch.chosen, batch.rejected)
    return ViewBatch(
        *(batch.chosen, batch.rejected, batch.columns),
        views={name: lower(batch.chosen, 0.1 * i) for i, name in enumerate(names)},
        divergence=tuple(one.mask * one.policy.square() / 50 for one in sides),
    )


def marked(one: ResponseLogps) -> ResponseLogps:
    """With the end once more and a token of the prompt behind each response, and statistics."""
    count = one.mask.sum(-1, keepdim=True)
    end = one.mask & (one.mask.cumsum(-1) == count)
    none = torch.zeros(len(end), 2, dtype=torch.bool)
    places = torch.arange(end.shape[1] + 2)

    def wider(values: Tensor) -> Tensor:
        return torch.cat([values, none.to(values.dtype)], dim=1)

    marks: dict[Mark, Tensor] = {
        "end": wider(end),
        "end_again": (places == end.shape[1]).expand(len(end), -1),
        "prompt": (places == end.shape[1] + 1).expand(len(end), -1),
    }
    return ResponseLogps(
        wider(one.policy),
        wider(one.reference),
        wider(one.mask),
        wider(one.changed),
        marks,
        {"log_sum_p2": wider(one.reference / 2), "arg_max": wider(one.policy.neg().ceil().long())},
        {name: wider(values) for name, values in one.columns.items()},
    )


def scored(response: ResponseLogps) -> Tensor:
    """Return where a loss may read the policy: in the response and at marks."""
    return functools.reduce(torch.logical_or, response.marks.values(), response.mask)


def apart(batch: PairBatch) -> PairBatch:
    """Lower the policy token by token: no two gaps, and no policy and reference, stay equal.

    A log-ratio of exactly zero has no gradient in IPO as HALOs computes it.
    """

    def lowered(response: ResponseLogps, step: float) -> ResponseLogps:
        count = response.policy.numel()
        shift = torch.arange(1, 1 + count, dtype=torch.float64) * step
        policy = response.policy - shift.reshape(response.policy.shape)
        return replace(response, policy=policy * scored(response))

    return replace(
        batch,
        chosen=lowered(batch.chosen, 0.1234567),
        rejected=lowered(batch.rejected, 0.0321987),
    )


def trainable(batch: PairBatch) -> tuple[PairBatch, list[Tensor]]:
    """Return the batch with policies that take gradients, and these."""
    sides = [
        replace(one, policy=one.policy.detach().clone().requires_grad_())
        for one in (batch.chosen, batch.rejected)
    ]
    return replace(batch, chosen=sides[0], rejected=sides[1]), [one.policy for one in sides]


def swapped(batch: PairBatch) -> PairBatch:
    """Return the batch in which the rejected responses are the chosen ones."""
    turned = replace(batch, chosen=batch.rejected, rejected=batch.chosen)
    if isinstance(turned, ViewBatch):
        return replace(turned, divergence=turned.divergence[::-1])
    return turned


def rows(batch: PairBatch, index: slice | Sequence[int]) -> PairBatch:
    """Return the batch of some of its pairs, in the order of the index."""

    def of(one: ResponseLogps) -> ResponseLogps:
        return ResponseLogps(
            one.policy[index],
            one.reference[index],
            one.mask[index],
            one.changed[index],
            {name: mark[index] for name, mark in one.marks.items()},
            {name: values[index] for name, values in one.statistics.items()},
            {name: values[index] for name, values in one.columns.items()},
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


def total(outputs: Iterable[LossOutput[Any]]) -> Tensor:
    """Return the batch loss over all ranks."""
    return torch.stack([(output.losses * output.weights).sum() for output in outputs]).sum()


def as_declared(batch: PairBatch, method: Method[Any, Any], config: MethodConfig) -> PairBatch:
    """Return the batch as a step gives it: nothing can be read that the method did not ask for."""
    segmented = method.segments(config) is not None
    wanted = method.marks(config)

    def only(one: ResponseLogps) -> ResponseLogps:
        keep = functools.reduce(torch.logical_or, (one.marks[name] for name in wanted), one.mask)
        return Declared(
            one.policy * keep,
            one.mask,
            one.reference if method.needs_reference else None,
            one.changed if segmented else None,
            {name: one.marks[name] for name in wanted} or None,
            {name: one.statistics[name] for name in method.statistics} or None,
            {name: one.columns[name] for name in method.token_columns} or None,
        )

    return replace(batch, chosen=only(batch.chosen), rejected=only(batch.rejected))
