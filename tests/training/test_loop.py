"""What the loop records of a step, with an engine that knows its log-probabilities by heart."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.nn import functional as F

from harness.data.images import ImageRef
from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.data.rows.packing import pack
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.training.loop import Loop
from harness.training.metrics import MetricsLog, read_rows
from harness.training.process import Progress
from harness.training.step.batches import Batches
from harness.training.step.policy import TokenLogps
from harness.training.step.protocols import StepReport
from harness.training.step.schedule import DataOrder, LearningRate
from harness.training.watch import Watch

CHOSEN = ([-1.0, -2.0], [-4.0], [-0.5, -0.25, -0.25], [-6.0, -1.0])
REJECTED = ([-0.5], [-4.0, -0.25], [-8.0], [-1.0, -1.0, -1.25])
"""Of four pairs, token by token. Their sums -3, -4, -1 and -7 are -3.75 on average; -0.5, -4.25,
-8 and -3.25 are -4."""
METHODS = ("dpo", "rlhf_v", "dama")


class Threads:
    """One of several ranks in threads of this process, which meet in every exchange."""

    device = torch.device("cpu")

    def __init__(self, rank, count, met, held):
        self.rank, self.count, self._met, self._held = rank, count, met, held
        self.exchanges = 0

    def gather(self, values):
        self.exchanges += 1
        self._held[self.rank] = values.detach()
        self._met.wait()
        found = torch.cat([self._held[rank] for rank in range(self.count)])
        self._met.wait()
        return found

    def sum(self, values):
        return self.gather(values[None]).sum(0)


class KnownReference:
    """Zeros; remembers how often the model had run when it was asked for them."""

    def __init__(self, engine):
        self._engine = engine
        self.forwards_before = []

    def of(self, rows, width):
        self.forwards_before.append(self._engine.forwards)
        zeros = torch.zeros(len(rows), width)
        return TokenLogps(zeros, zeros)


class KnownEngine:
    def __init__(self):
        self._weight = torch.tensor(1.0, requires_grad=True)
        self.forwards = 0

    def __call__(self, tokens, _features):
        self.forwards += 1
        return TokenLogps(
            *(self._weight * padded(side, tokens.rows) for side in (CHOSEN, REJECTED))
        )

    def backward(self, loss, last):
        loss.backward()

    def update(self, learning_rate):
        return StepReport(learning_rate, float(self._weight.grad), applied=True)


def padded(responses, rows):
    """Both sides have one width, as the collator gives them."""
    width = max(len(side[row]) for side in (CHOSEN, REJECTED) for row in rows)
    return torch.stack(
        [F.pad(torch.tensor(responses[row]), (0, width - len(responses[row]))) for row in rows]
    )


def collated(rows):
    def side(responses):
        mask = padded(responses, rows) != 0
        return ResponseMasks(mask, mask, mask.long())

    row, _ = pack([[1, 2, 3]], [1])
    gaps = {name: torch.zeros(len(rows)) for name in ("clip_gap", "clip_gap_mean")}
    images = torch.zeros(1, 3, 2, 2)
    refs = (ImageRef(0, 0, "0"),)
    return PairTokens(tuple(rows), row, refs, images, side(CHOSEN), side(REJECTED), gaps)


def one_step(folder, method, processes, pairs_per_pass=None, engine=None, reference=None):
    """Record one step over all pairs; return how often the model ran forward."""
    order = DataOrder(len(CHOSEN), len(CHOSEN), 1, False, 0)
    found, engine = load_method(method), engine or KnownEngine()
    config = found.config.model_validate({})
    loop = Loop(
        method=found,
        config=config,
        engine=engine,
        features=lambda tokens: tokens.images,
        reference=reference,
        batches=Batches(order, collated, len, pairs_per_pass, None, processes),
        rate=LearningRate(1e-3, 0, 1, "constant"),
        seed=0,
        save_every=2,
        processes=processes,
        watch=Watch(
            order, str, None, 1, None, RunDir(folder), Progress(folder / "progress", 1), processes
        ),
        stop_asked=lambda: False,
    )
    log = MetricsLog(folder / "metrics.jsonl", 0, processes)
    assert loop.run(found.init_state(config), 0, lambda *_: None, log)
    return engine.forwards


def recorded(folder, method="dpo", ranks=1, pairs_per_pass=None):
    met, held = threading.Barrier(ranks), {}
    with ThreadPoolExecutor(ranks) as pool:
        list(
            pool.map(
                lambda rank: one_step(
                    folder, method, Threads(rank, ranks, met, held), pairs_per_pass
                ),
                range(ranks),
            )
        )
    (row,) = read_rows(folder / "metrics.jsonl")
    return row


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pairs_per_pass", [None, 3, 2])
@pytest.mark.parametrize("ranks", [1, 2])
def test_every_method_logs_what_the_responses_have(tmp_path, method, pairs_per_pass, ranks):
    """Whatever the passes and ranks: over all pairs, those that DAMA drops as well."""
    row = recorded(tmp_path, method, ranks, pairs_per_pass)
    assert (row["logps/chosen"], row["logps/rejected"]) == (-3.75, -4.0)


def test_their_difference_is_the_reward_gap_where_the_reference_gives_zeros(tmp_path):
    row = recorded(tmp_path)
    assert row["logps/chosen"] - row["logps/rejected"] == row["reward_gap"]


def test_they_take_neither_a_forward_pass_nor_an_exchange_of_their_own(tmp_path):
    """DPO gathers once for its weights, and all numbers of a step travel together."""
    processes = Threads(0, 1, threading.Barrier(1), {})
    assert one_step(tmp_path, "dpo", processes) == 1
    assert processes.exchanges == 2


@pytest.mark.parametrize("pairs_per_pass", [None, 3])
def test_the_reference_is_fetched_once_and_before_the_model_runs(tmp_path, pairs_per_pass):
    """Its copy to a GPU waits for all that the GPU has to do by then."""
    processes = Threads(0, 1, threading.Barrier(1), {})
    engine = KnownEngine()
    reference = KnownReference(engine)
    one_step(tmp_path, "dpo", processes, pairs_per_pass, engine, reference)
    assert reference.forwards_before == [0]
