"""Run a method's loss, and hold what it gives back against what `LossOutput` promises."""

import functools
import inspect
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from harness.errors import TrainingError, raised_at
from harness.training.metrics import ROW
from harness.training.watch import MEASURED
from methods.types import Config, LossOutput, Method, PairBatch, State, StepContext

TAKEN = MEASURED | ROW
"""Names in a row of metrics.jsonl that are no metrics of a method."""

_MEND = "Mend it; the same command continues."
_ROUNDING = 1e-4
"""By so much may the weights of a whole batch be together more than one."""


def loss_of(
    method: Method[Config, State],
    batch: PairBatch,
    config: Config,
    state: State,
    context: StepContext,
) -> LossOutput[State]:
    """Return the loss of a batch.

    Raises:
        TrainingError: The loss raised an exception, which is the error's cause. Not where memory
            ran out, or where a rank was gone that values were gathered from.
    """
    try:
        return method.loss(batch, config, state, context)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and _gathering(error.__traceback__):
            raise
        place = _raised_at(method, error.__traceback__)
        what = f"{method.name}: its loss raised {type(error).__name__}: {error}"
        raise TrainingError(f"{what} ({place}). {_MEND}") from error


def check_output(method: Method[Any, Any], output: object, batch: PairBatch) -> None:
    """Refuse what no step can be made of; `check_shares` knows the weights of the other ranks.

    Raises:
        TrainingError: The first thing that is wrong, and where the loss stands.
    """
    check_losses(method, output, batch)
    if isinstance(output, LossOutput):
        check_metrics(method, output.metrics, len(output.losses))


def check_losses(method: Method[Any, Any], output: object, batch: PairBatch) -> None:
    """Refuse losses and weights of which no step can be made.

    Raises:
        TrainingError: The first thing that is wrong, and where the loss stands.
    """
    problem = (
        _values("losses", output.losses, batch)
        or _values("weights", output.weights, batch)
        or _gradient(output.losses)
        or _signs(output.weights)
        if isinstance(output, LossOutput)
        else f"returns {_said(output)}; wanted is a LossOutput"
    )
    if problem:
        raise _fault(method, problem)


def check_metrics(method: Method[Any, Any], metrics: object, pairs: int) -> None:
    """Refuse metrics that cannot be logged.

    Raises:
        TrainingError: The first that is wrong, and where the loss stands.
    """
    if problem := _metrics(metrics, pairs):
        raise _fault(method, problem)


def check_shares(method: Method[Any, Any], total: float) -> None:
    """Refuse weights that are together more than one.

    Args:
        method: Whose weights they are.
        total: Their sum over all pairs of all ranks.

    Raises:
        TrainingError: They are.
    """
    if total > 1 + _ROUNDING:
        raise _fault(
            method,
            f"gives `weights` whose sum over all pairs of all ranks is {total:g}; wanted is at "
            "most 1, as 1 / all_pairs for a plain mean gives it",
        )


def _values(field: str, found: object, batch: PairBatch) -> str | None:
    policy = batch.chosen.policy
    wanted = f"a floating tensor of shape [{len(policy)}] on {policy.device}, one value per pair"
    fits = (
        isinstance(found, Tensor)
        and found.shape == policy.shape[:1]
        and found.is_floating_point()
        and found.device == policy.device
    )
    return None if fits else f"gives `{field}` that are {_said(found)}; wanted is {wanted}"


def _gradient(losses: Tensor) -> str | None:
    if losses.requires_grad:
        return None
    return (
        "gives `losses` without a gradient; wanted are losses computed from `policy` of the batch, "
        "neither detached nor under no_grad"
    )


def _signs(weights: Tensor) -> str | None:
    if bool((weights.isfinite() & (weights >= 0)).all()):
        return None
    return f"gives `weights` {weights.tolist()}; wanted are finite ones, none of them negative"


def _metrics(metrics: object, pairs: int) -> str | None:
    if not isinstance(metrics, Mapping):
        return f"gives `metrics` that are {_said(metrics)}; wanted is a mapping of names to tensors"
    for name, value in metrics.items():
        if not isinstance(name, str) or name in TAKEN:
            free = f"another name than {', '.join(sorted(TAKEN))}"
            return f"gives a metric the name {name!r}; wanted is {free}"
        if not isinstance(value, Tensor) or value.shape not in ((), (pairs,)):
            wanted = f"a tensor that is a scalar or of shape [{pairs}], one value per pair"
            return f"gives the metric {name!r} as {_said(value)}; wanted is {wanted}"
    return None


def _said(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"of type {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)} on {value.device}"


def _fault(method: Method[Any, Any], problem: str) -> TrainingError:
    return TrainingError(f"{method.name}: its loss {problem} ({_defined_at(method)}).")


def _gathering(trace: TracebackType | None) -> bool:
    """Say whether an exception came through the step's context, below this file's own frame."""
    return any(
        _package(frame.f_globals) == "harness" for frame, _ in list(traceback.walk_tb(trace))[1:]
    )


def _raised_at(method: Method[Any, Any], trace: TracebackType | None) -> str:
    """Return the last place in the method's own package that an exception came through."""
    return raised_at(_package(_function(method).__globals__), trace) or _defined_at(method)


def _defined_at(method: Method[Any, Any]) -> str:
    code = _function(method).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"


def _function(method: Method[Any, Any]) -> Any:
    """Return the function below wrappers, partial arguments or an object that is called."""
    found: Any = method.loss
    while isinstance(found, functools.partial):
        found = found.func
    found = inspect.unwrap(found)
    return found if hasattr(found, "__code__") else type(found).__call__


def _package(module: Mapping[str, Any]) -> str:
    return str(module.get("__name__", "")).partition(".")[0]
