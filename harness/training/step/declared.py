"""The batch of a method, in which nothing can be read that the method did not ask for."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.training.step.passes import Share
from harness.training.step.policy import TokenLogps
from methods.types import Mark, PairBatch, ResponseLogps, Statistic
from methods.views import ViewBatch

_UNASKED = {
    "reference": "the method declares needs_reference=False, so no reference is computed; leave "
    "needs_reference out of its Method, or do not read it",
    "changed": "the method declares no segments for this configuration, so no changed tokens are "
    "looked for; give its Method `segments`, or do not read it",
    "marks": "the method declares no marks for this configuration, so no tokens but those of the "
    "responses are scored; give its Method `marks`, or do not read it",
    "statistics": "the method declares no statistics, so none is computed; give its Method "
    "`statistics`, or do not read it",
    "columns": "the method declares no token_columns, or this is a view, which has none, so there "
    "is no number of a token; give its Method `token_columns`, or do not read it",
}


class Declared(ResponseLogps):
    """Log-probabilities of which a part may be absent; to read that raises AttributeError.

    Zeros in its place would be read as values. A type that admits None would make every method
    that does ask for a reference prove to its type checker that it got one.
    """

    def __init__(
        self,
        policy: Tensor,
        mask: Tensor,
        reference: Tensor | None,
        changed: Tensor | None,
        marks: Mapping[Mark, Tensor] | None = None,
        statistics: Mapping[Statistic, Tensor] | None = None,
        columns: Mapping[str, Tensor] | None = None,
    ) -> None:
        given: dict[str, Any] = {"policy": policy, "reference": reference, "mask": mask}
        given |= {"changed": changed, "marks": marks, "statistics": statistics, "columns": columns}
        for name, values in given.items():
            if values is not None:
                object.__setattr__(self, name, values)

    def __getattr__(self, name: str) -> Any:
        """Say why a part is absent; Python asks here only for what is not there."""
        raise AttributeError(f"`{name}`: {_UNASKED.get(name, 'ResponseLogps has no such field')}")

    def __repr__(self) -> str:
        """Show what is there."""
        shown = ", ".join(f"{name}={values!r}" for name, values in vars(self).items())
        return f"{ResponseLogps.__name__}({shown})"


def pair_batch(
    tokens: PairTokens | Share,
    policy: TokenLogps,
    reference: TokenLogps | None,
    segmented: bool,
    of_views: Sequence[Tensor | None] = (),
) -> PairBatch:
    """Bring together what a method reads.

    Args:
        tokens: The pairs.
        policy: Log-probabilities of the model that is trained.
        reference: Those of the model that it starts from; None where the method needs none.
        segmented: Whether the changed tokens were looked for.
        of_views: The reference's of each view; None where it does not score one.
    """

    def response(
        masks: ResponseMasks, ours: Tensor, theirs: Tensor | None, statistics: Sequence[Tensor] = ()
    ) -> ResponseLogps:
        return Declared(
            ours,
            masks.mask,
            theirs,
            masks.changed if segmented else None,
            masks.marks or None,
            dict(zip(asked, statistics, strict=True)) if statistics else None,
            masks.columns or None,
        )

    asked = sorted(tokens.statistics)
    of_chosen, of_rejected = policy.statistics[: len(asked)], policy.statistics[len(asked) :]
    chosen = response(tokens.chosen, policy.chosen, reference and reference.chosen, of_chosen)
    rejected = response(
        tokens.rejected, policy.rejected, reference and reference.rejected, of_rejected
    )
    if not tokens.views and not tokens.divergence:
        return PairBatch(chosen, rejected, tokens.columns)
    views = zip(tokens.views.items(), policy.views, of_views, strict=True)
    return ViewBatch(
        chosen,
        rejected,
        tokens.columns,
        views={name: response(masks, ours, other) for (name, masks), ours, other in views},
        divergence=policy.divergence,
    )
