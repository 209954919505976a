"""A training loop whose engine knows the log-probabilities of four pairs by heart."""

import torch
from torch.nn import functional as F

from harness.data.images import ImageRef
from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.data.rows.packing import pack
from harness.runs.rundir import RunDir
from harness.training.loop import Loop
from harness.training.metrics import MetricsLog
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


class KnownReference:
    """Zeros: the reward gap is then the difference of the policy's log-probabilities."""

    def of(self, rows, width):
        return TokenLogps(torch.zeros(len(rows), width), torch.zeros(len(rows), width))


def known_loop(folder, method, processes, pairs_per_pass=None, engine=None, epochs=1):
    """Return a loop of one step per epoch over all pairs."""
    order = DataOrder(len(CHOSEN), len(CHOSEN), epochs, False, 0)
    return Loop(
        method=method,
        config=method.config.model_validate({}),
        engine=engine or KnownEngine(),
        features=lambda tokens: tokens.images,
        reference=KnownReference() if method.needs_reference else None,
        batches=Batches(order, collated, len, pairs_per_pass, None, processes),
        rate=LearningRate(1e-3, 0, epochs, "constant"),
        seed=0,
        save_every=2,
        processes=processes,
        watch=Watch(
            order, str, None, 1, None, RunDir(folder), Progress(folder / "progress", 1), processes
        ),
        stop_asked=lambda: False,
    )


def run_steps(loop, folder):
    """Run a loop to its end, and record what it logs."""
    log = MetricsLog(folder / "metrics.jsonl", 0, loop.processes)
    state = loop.method.init_state(loop.config)
    assert loop.run(state, 0, lambda *_: None, log)
