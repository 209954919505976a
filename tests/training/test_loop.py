"""What the loop records of a step, with an engine that knows its log-probabilities by heart."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from known_loop import KnownEngine, KnownReference, Threads, known_loop, run_steps

from harness.registry import load_method
from harness.training.metrics import read_rows

METHODS = ("dpo", "rlhf_v", "dama")


def one_step(folder, method, processes, pairs_per_pass=None):
    """Record one step over all pairs; return how often the model ran forward."""
    engine = KnownEngine()
    run_steps(known_loop(folder, load_method(method), processes, pairs_per_pass, engine), folder)
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
    before = []

    class Reference(KnownReference):
        def of(self, rows, width):
            before.append(engine.forwards)
            return super().of(rows, width)

    loop = known_loop(tmp_path, load_method("dpo"), processes, pairs_per_pass, engine)
    run_steps(dataclasses.replace(loop, reference=Reference()), tmp_path)
    assert before == [0]
