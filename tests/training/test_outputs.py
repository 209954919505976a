"""What a method's loss gives back is looked at before the first step is made of it."""

import dataclasses
import functools
import inspect
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from known_loop import Threads, known_loop, run_steps

from harness.errors import TrainingError
from harness.registry import load_method
from harness.training.metrics import read_rows
from harness.training.outputs import TAKEN
from methods.logps import equal_shares, reward_gap
from methods.types import LossOutput, Method, MethodConfig, NoState


def right(batch, config, state, context):
    losses = -torch.nn.functional.logsigmoid(reward_gap(batch))
    return LossOutput(losses, equal_shares(losses, context), state, {"gap": losses.detach()})


def changed(**changes):
    """Return a loss that is right but for some fields, each a function of the right value."""

    def loss(batch, config, state, context):
        output = right(batch, config, state, context)
        for name, change in changes.items():
            # Not by `replace`: the tests check types and shapes wherever a LossOutput is made.
            object.__setattr__(output, name, change(getattr(output, name)))
        return output

    return loss


def method(loss, state=NoState):
    return Method(
        name="mine",
        config=MethodConfig,
        loss=loss,
        init_state=lambda config: state(),
        source="",
    )


def alone():
    return Threads(0, 1, threading.Barrier(1), {})


def told(loss, folder):
    """Return what the user is told, without the place that ends it."""
    with pytest.raises(TrainingError) as raised:
        run_steps(known_loop(folder, method(loss), alone()), folder)
    said = str(raised.value)
    assert said.startswith("mine: its loss ")
    assert said.count("\n") == 0
    assert not (folder / "metrics.jsonl").read_text()
    return said.removeprefix("mine: its loss ")


WRONG = {
    "mean": (
        changed(losses=torch.Tensor.mean),
        "gives `losses` that are float32 [] on cpu; wanted is a floating tensor of shape [4] on "
        "cpu, one value per pair",
    ),
    "column": (changed(losses=lambda losses: losses[:, None]), "float32 [4, 1] on cpu; wanted"),
    "whole numbers": (
        changed(weights=lambda weights: torch.ones(4, dtype=torch.int64)),
        "gives `weights` that are int64 [4] on cpu; wanted is a floating tensor of shape [4]",
    ),
    "a number": (changed(weights=lambda weights: 0.25), "gives `weights` that are of type float"),
    "elsewhere": (changed(weights=lambda weights: weights.to("meta")), "float32 [4] on meta"),
    "nan": (
        changed(weights=lambda weights: weights * torch.tensor([1, 1, 1, torch.nan])),
        "gives `weights` [0.25, 0.25, 0.25, nan]; wanted are finite ones, none of them negative",
    ),
    "negative": (changed(weights=torch.neg), "gives `weights` [-0.25, -0.25, -0.25, -0.25]"),
    "a sum": (
        changed(weights=torch.ones_like),
        "gives `weights` whose sum over all pairs of all ranks is 4; wanted is at most 1",
    ),
    "no gradient": (changed(losses=torch.Tensor.detach), "gives `losses` without a gradient"),
    "metric of tokens": (
        changed(metrics=lambda metrics: {"rate": torch.zeros(4, 3)}),
        "gives the metric 'rate' as float32 [4, 3] on cpu; wanted is a tensor that is a scalar or "
        "of shape [4], one value per pair",
    ),
    "metric as a number": (
        changed(metrics=lambda metrics: {"rate": 0.5}),
        "gives the metric 'rate' as of type float",
    ),
    "metrics in a list": (changed(metrics=list), "gives `metrics` that are of type list"),
    "no output": (
        lambda batch, config, state, context: right(batch, config, state, context).losses,
        "returns float32 [4] on cpu; wanted is a LossOutput",
    ),
}


@pytest.mark.parametrize(("loss", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_output_is_named_with_its_field_and_what_is_wanted(loss, said, tmp_path):
    assert said in told(loss, tmp_path)


def test_the_message_ends_with_the_users_own_file_and_line(tmp_path):
    loss = changed(losses=torch.Tensor.mean)
    _, line = inspect.getsourcelines(loss)
    assert told(loss, tmp_path).endswith(f"({__file__}, line {line}).")


def test_so_it_does_through_wrappers(tmp_path):
    @functools.wraps(right)
    def wrapped(*arguments):
        return right(*arguments).losses

    _, line = inspect.getsourcelines(right)
    assert told(functools.partial(wrapped), tmp_path).endswith(f"({__file__}, line {line}).")


class Called:
    def __call__(self, batch, config, state, context):
        return None


def test_and_for_an_object_that_is_called(tmp_path):
    _, line = inspect.getsourcelines(Called.__call__)
    said = told(Called(), tmp_path)
    assert said == f"returns of type NoneType; wanted is a LossOutput ({__file__}, line {line})."


def test_every_name_of_a_row_is_taken(tmp_path):
    """A row holds nothing beside them but the metrics of the method."""
    run_steps(known_loop(tmp_path, method(right), alone()), tmp_path)
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    assert set(row) - TAKEN == {"gap"}
    assert {"step", "epoch", "loss", "logps/chosen", "seconds", "utilisation", "stop"} <= TAKEN


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_metric_may_not_overwrite_what_stands_in_a_row(name, tmp_path):
    loss = changed(metrics=lambda metrics: {name: torch.zeros(())})
    assert f"gives a metric the name {name!r}; wanted is another name than " in told(loss, tmp_path)


def test_weights_are_summed_over_the_ranks(tmp_path):
    """A mean over the rank's own pairs is right on one rank, and twice too much on two."""
    loss = changed(weights=lambda weights: torch.full_like(weights, 1 / len(weights)))
    run_steps(known_loop(tmp_path, method(loss), alone()), tmp_path)
    met, held = threading.Barrier(2), {}

    def rank(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(TrainingError, match="of all ranks is 2; wanted is at most 1") as raised:
            run_steps(known_loop(folder, method(loss), Threads(number, 2, met, held)), folder)
        return str(raised.value)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(rank, range(2)))) == 1


@pytest.mark.parametrize("name", ["dpo", "rlhf_v", "dama"])
def test_the_built_in_methods_pass(name, tmp_path):
    run_steps(known_loop(tmp_path, load_method(name), alone()), tmp_path)


def test_only_the_first_step_is_looked_at(tmp_path):
    """What later steps bring is for the watch, which knows of losses that are not finite."""
    calls = []

    def loss(batch, config, state, context):
        calls.append(context)
        output = right(batch, config, state, context)
        return dataclasses.replace(output, weights=len(calls) * output.weights)

    run_steps(known_loop(tmp_path, method(loss), alone(), epochs=2), tmp_path)
    assert len(calls) == 2


def deeper(batch):
    return reward_gap(batch).reshape(7)


def raising(batch, config, state, context):
    return deeper(batch)


def test_an_exception_is_told_with_the_last_place_in_the_methods_package(tmp_path):
    _, line = inspect.getsourcelines(deeper)
    said = told(raising, tmp_path)
    assert said.startswith("raised RuntimeError: shape '[7]' is invalid for input of size 4 (")
    assert f"({__file__}, line {line + 1}). Mend it; the same command continues." in said


def test_code_of_others_that_raises_is_not_the_place(tmp_path):
    """The last frame is one of torch, in Python."""

    def loss(batch, config, state, context):
        torch.nn.functional.softmin(None)

    _, line = inspect.getsourcelines(loss)
    said = told(loss, tmp_path)
    assert re.search(rf"raised AttributeError: .*\({re.escape(__file__)}, line {line + 1}\)", said)


def test_what_was_raised_is_the_cause_for_the_log(tmp_path):
    with pytest.raises(TrainingError) as raised:
        run_steps(known_loop(tmp_path, method(raising), alone()), tmp_path)
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_rank_that_is_gone_is_no_fault_of_the_loss(tmp_path):
    class Gone(Threads):
        def gather(self, values):
            raise RuntimeError("Connection closed by peer")

    with pytest.raises(RuntimeError, match="Connection closed by peer"):
        run_steps(
            known_loop(tmp_path, method(right), Gone(0, 1, threading.Barrier(1), {})), tmp_path
        )


def test_memory_that_ran_out_is_no_fault_of_the_loss(tmp_path):
    def loss(batch, config, state, context):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        run_steps(known_loop(tmp_path, method(loss), alone()), tmp_path)


@dataclasses.dataclass(frozen=True)
class Remembers:
    mean: object = dataclasses.field(default_factory=lambda: torch.zeros(()))
    seen: object = dataclasses.field(default_factory=lambda: torch.zeros(4))


@dataclasses.dataclass(frozen=True)
class Rounds(Remembers):
    def __post_init__(self):
        object.__setattr__(self, "mean", self.mean + 1)


shared = torch.zeros(4)
UNSAVEABLE = {
    "a number": (lambda: Remembers(0.0), "has a field `mean` of type float, which no checkpoint"),
    "a dict": (lambda: {"mean": torch.zeros(())}, "is a dict, which no checkpoint can hold"),
    "nothing": (lambda: None, "is a NoneType, which no checkpoint can hold"),
    "shared": (lambda: Remembers(shared, shared), "cannot be saved and read back (RuntimeError: "),
    "another": (Rounds, "state Rounds is another after it was saved and read back"),
}


@pytest.mark.parametrize(("state", "said"), UNSAVEABLE.values(), ids=UNSAVEABLE)
def test_a_state_that_no_checkpoint_can_hold_ends_the_run_at_once(state, said, tmp_path):
    with pytest.raises(TrainingError) as raised:
        run_steps(known_loop(tmp_path, method(right, state), alone()), tmp_path)
    assert said in str(raised.value)
    assert "wanted is a frozen dataclass of tensors" in str(raised.value)
    assert not (tmp_path / "metrics.jsonl").read_text()


def test_so_does_one_that_the_first_loss_gives_back(tmp_path):
    loss = changed(state=lambda state: dataclasses.replace(state, mean=0.5))
    with pytest.raises(TrainingError, match="mine: its state has a field `mean` of type float"):
        run_steps(known_loop(tmp_path, method(loss, Remembers), alone()), tmp_path)


def test_a_state_of_any_numbers_is_saved_as_it_is(tmp_path):
    def state():
        return Remembers(torch.tensor(torch.nan), torch.arange(6, dtype=torch.int64)[::2])

    run_steps(known_loop(tmp_path, method(right, state), alone()), tmp_path)
