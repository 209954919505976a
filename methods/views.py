"""Views: what a loss may read besides both responses on the picture of their pair.

A view is one response behind the pair's question, on a picture of its own. A method says which it
reads and the backend runs them beside the pair. So `ViewMethod` and `ViewBatch` stand apart from
`Method` and `PairBatch`: for a method without views nothing is different.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

from methods.types import Config, Method, PairBatch, ResponseLogps, State

Draw = Literal["once", "epoch", "forward"]
"""When a picture is drawn: once for the whole run; in each epoch, for policy and reference
together; or in each epoch, for each of the two alone."""


class View(NamedTuple):
    """One more response on one more picture."""

    name: str
    image: str
    """own, other (the picture of another pair), or an operation on the own picture: the names in
    `harness.data.rows.image_operations`."""
    response: Literal["chosen", "rejected", "other"]
    """other is what was chosen in the pair that lends its picture. All views of a pair that name
    another one name the same."""
    draw: Draw = "once"
    """With `once` the reference is computed once and kept; otherwise in every step."""
    reference: bool = True
    """Whether the reference scores it, too."""


@dataclass(frozen=True)
class ViewBatch(PairBatch):
    """A rank's share of one batch, with what the method's views ask for."""

    views: Mapping[str, ResponseLogps] = field(default_factory=dict)
    """By name; one row per pair, as wide as its longest response."""
    divergence: tuple[Float[Tensor, "pairs tokens"], ...] = ()
    """KL(reference || policy) over all words at each token of the chosen and of the rejected
    response, in nats, with gradient; zero outside the masks."""


def no_views(config: object) -> tuple[View, ...]:
    """Ask for none."""
    return ()


@dataclass(frozen=True)
class ViewMethod(Method[Config, State]):
    """A method that reads views, or how far the policy is from the reference over all words."""

    views: Callable[[Config], tuple[View, ...]] = no_views
    divergence: bool = False
    """Whether the loss reads `ViewBatch.divergence`. The reference then runs in every step."""


def views_of(method: Method[Config, State], config: Config) -> tuple[View, ...]:
    """Return what a method reads beside its pairs, with these values."""
    return method.views(config) if isinstance(method, ViewMethod) else ()


def reads_divergence(method: Method[Config, State]) -> bool:
    """Say whether a method asks for the divergence of policy and reference."""
    return isinstance(method, ViewMethod) and method.divergence


def viewed(batch: PairBatch, name: str) -> ResponseLogps:
    """Return a view of a batch.

    Raises:
        ValueError: The method does not declare it.
    """
    views = batch.views if isinstance(batch, ViewBatch) else {}
    if name not in views:
        raise ValueError(
            f"view {name!r}: the method declares {', '.join(views) or 'no views'}; make it a "
            "ViewMethod with this view"
        )
    return views[name]


def divergences(batch: PairBatch) -> tuple[Float[Tensor, " pairs"], Float[Tensor, " pairs"]]:
    """Return the divergence summed over the chosen and over the rejected response, in nats.

    Raises:
        ValueError: The method does not declare `divergence`.
    """
    if not isinstance(batch, ViewBatch) or not batch.divergence:
        raise ValueError("divergence: make the method a ViewMethod with divergence=True")
    chosen, rejected = batch.divergence
    return chosen.sum(dim=-1), rejected.sum(dim=-1)
