"""What a training step asks of the processes it runs in and of the engine that runs it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from harness.training.step.fragments import Fragment


class StepReport(NamedTuple):
    """What an update says about itself."""

    learning_rate: float
    gradient_norm: float
    """Norm of the whole gradient before clipping."""
    applied: bool
    """False where the gradient was not finite: weights and optimizer are as they were before."""


class Ranks(Protocol):
    """This process among those of the run."""

    @property
    def rank(self) -> int:
        """From zero."""
        ...

    @property
    def count(self) -> int:
        """All of them."""
        ...


class Processes(Ranks, Protocol):
    """The processes of a run, and what they tell each other; every rank must call a method."""

    @property
    def device(self) -> torch.device:
        """This process's own."""
        ...

    def barrier(self) -> None:
        """Wait until every process is here."""
        ...

    def gather(self, values: Tensor) -> Tensor:
        """Return the values of all ranks in rank order, detached."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, detached."""
        ...

    def close(self) -> None:
        """Leave the others, so that a launcher sees a clean end."""
        ...


class Engine(Protocol):
    """Forward, backward and update of one module over all processes."""

    def __call__(self, *inputs: Any) -> Any:
        """Run the module's forward."""
        ...

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradients of one pass; the `last` one of a step exchanges them.

        The loss of the batch is the sum over passes and ranks.
        """
        ...

    def update(self, learning_rate: float) -> StepReport:
        """Step with the gradients that were added; a gradient that is not finite is thrown away."""
        ...


class Resumable(Protocol):
    """An engine as a checkpoint sees it: what it holds, and how that is put back."""

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights whole, in training precision; on the first rank only.

        Every rank must call it.
        """
        ...

    def fragments(self) -> Sequence[Fragment]:
        """Return what this rank's optimizer tensors hold of the weights."""
        ...

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Return this rank's flat master weights and moments as `<flat>.<kind>`."""
        ...

    def load_optimizer_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `optimizer_tensors` returned; the module already has its weights."""
        ...
