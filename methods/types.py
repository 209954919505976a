"""What a method is: a frozen configuration and a pure loss over log-probabilities.

Words: chosen and rejected are the two responses of a preference pair; logps are log-probabilities
in nats; a column is a number per pair that is computed before training.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Num
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from methods.segments import SegmentRule


class MethodConfig(BaseModel):
    """Hyper-parameters of one method; published values live in the presets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shuffle: bool = Field(
        default=True, description="New order of the pairs every epoch; false keeps file order."
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **arguments: object) -> None:
        """Keep `name` free: it stands for the method itself among its values in run.yaml."""
        super().__pydantic_init_subclass__(**arguments)
        if "name" in cls.model_fields:
            raise TypeError(f"{cls.__name__}: a field of a method may not be called 'name'")

    @property
    def per_device(self) -> bool:
        """Whether the loss depends on how the batch is shared between devices."""
        return False


@dataclass(frozen=True)
class NoState:
    """State of a method that remembers nothing between batches."""


Config = TypeVar("Config", bound=MethodConfig)
State = TypeVar("State")


Mark = Literal["prompt", "end", "end_again"]
"""Tokens that a loss tells apart: the prompt's that are text, but for its first one; the end of a
response, where it was not cut off; and the end token once more, behind that end."""

Statistic = Literal["log_sum_p2", "arg_max"]
"""What the policy's distribution over all words says at a token, without gradient: the logarithm of
the sum of squared probabilities, which is that of the probability expected of a drawn word; the id
of the most probable word."""


@dataclass(frozen=True)
class ResponseLogps:
    """Per-token log-probabilities of one response per pair, in nats, zero outside its masks."""

    policy: Float[Tensor, "pairs tokens"]
    reference: Float[Tensor, "pairs tokens"]
    """Cannot be read by a method that declares `needs_reference=False`."""
    mask: Bool[Tensor, "pairs tokens"]
    changed: Bool[Tensor, "pairs tokens"]
    """Inside segments that differ from the other response of the pair.

    Cannot be read by a method that declares no `segments`.
    """
    marks: Mapping[Mark, Bool[Tensor, "pairs tokens"]] = field(default_factory=dict)
    """Where the tokens stand that the method's `marks` name; prompt and end_again outside `mask`.

    Cannot be read by a method that declares none.
    """
    statistics: Mapping[Statistic, Num[Tensor, "pairs tokens"]] = field(default_factory=dict)
    """Zero where `policy` is; cannot be read by a method that declares none."""
    columns: Mapping[str, Float[Tensor, "pairs tokens"]] = field(default_factory=dict)
    """Numbers of each token that the data hold, by name; zero outside `mask`.

    Cannot be read by a method that declares no `token_columns`.
    """


@dataclass(frozen=True)
class PairBatch:
    """A rank's share of one batch. Every rank holds the same number of pairs."""

    chosen: ResponseLogps
    rejected: ResponseLogps
    columns: Mapping[str, Float[Tensor, " pairs"]]


@runtime_checkable
class StepContext(Protocol):
    """What a loss may know of the world around it; tests replace it by ten lines."""

    @property
    def rank(self) -> int:
        """This process among those that share the batch, from zero."""

    @property
    def training(self) -> bool:
        """False while evaluating: state must then stay as it is."""

    @property
    def shared_rng(self) -> torch.Generator:
        """CPU generator, equal on all ranks, a function of (seed, step)."""

    def gather(self, values: Float[Tensor, " pairs"]) -> Float[Tensor, " all_pairs"]:
        """Return the values of all ranks in rank order, detached."""


@dataclass(frozen=True)
class LossOutput(Generic[State]):
    """What a loss gives back.

    The batch loss is the sum of `weights * losses` over all pairs of all ranks: a weight is the
    pair's share in the mean (1 / all_pairs for a plain mean), and zero drops the pair. So weights
    are finite and not negative, and those of all ranks sum to at most one. The first step of
    every start checks all of it.
    """

    losses: Float[Tensor, " pairs"]
    weights: Float[Tensor, " pairs"]
    state: State
    """For the next batch; saved in the checkpoint: a frozen dataclass of tensors."""
    metrics: Mapping[str, Tensor]
    """Scalars, or one value per local pair (averaged over all pairs when logged).

    A row of metrics.jsonl has names of its own, such as `loss` and `step`, which are not free.
    """


LossFn = Callable[[PairBatch, Config, State, StepContext], LossOutput[State]]


class Segments(NamedTuple):
    """How the changed tokens of a pair are found, see `methods.segments`."""

    rule: SegmentRule
    min_match: int = 3
    """Runs of fewer equal tokens do not end a changed segment."""


def unsegmented(config: MethodConfig) -> None:
    """Ask for no changed tokens: what most methods do."""


def no_marks(config: MethodConfig) -> frozenset[Mark]:
    """Ask for the responses alone: what most methods do."""
    return frozenset()


def any_batch(config: MethodConfig, pairs: int) -> None:
    """Accept batches of every size: what most methods do."""


@dataclass(frozen=True)
class Method(Generic[Config, State]):
    """A registered method: a value, not a class to inherit from."""

    name: str
    config: type[Config]
    loss: LossFn[Config, State]
    init_state: Callable[[Config], State]
    source: str
    """Paper and, where there is one, released code."""
    columns: frozenset[str] = frozenset()
    """Names of the columns the loss reads from `PairBatch.columns`."""
    token_columns: frozenset[str] = frozenset()
    """Names of the columns of a number per token, which it reads from `ResponseLogps.columns`."""
    presets: str = ""
    """Package holding `<name>-<size>.yaml`; empty for the built-in `methods.presets`."""
    needs_reference: bool = True
    """Whether the loss reads `ResponseLogps.reference`."""
    segments: Callable[[Config], Segments | None] = unsegmented
    """What `ResponseLogps.changed` marks; None where the loss does not read it."""
    marks: Callable[[Config], frozenset[Mark]] = no_marks
    """Further tokens in `ResponseLogps.policy`, each kind under its name in `ResponseLogps.marks`.

    The reference has no values at those outside `mask`.
    """
    statistics: frozenset[Statistic] = frozenset()
    """What is computed of the policy's distributions, beside the log-probabilities."""
    batch_problem: Callable[[Config, int], str | None] = any_batch
    """Say why batches of this many pairs over all ranks cannot be trained on, or None."""
