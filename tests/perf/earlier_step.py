"""Measure a run's step against an earlier commit's: python tests/perf/earlier_step.py [COMMIT].

Each side is a process of its own with that commit's code, which runs the product's whole step
(loop, passes, loss, backward, optimizer) of `harness.gpu_check` on a small random LLaVA. They take
turns, never at once, and the order changes from turn to turn. Printed is the median ratio of CPU
seconds of neighbouring turns, today's over the earlier commit's, with a 95 % interval, and
before it what both sides do: the operations on tensors with their shapes, and the calls of Python
functions, which no other work of the machine disturbs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
BEFORE_VIEWS = "3519db7a603976f649978b6c2384b2e2b71f8d2b"
"""The last commit whose step knows neither views, nor statistics, nor marks."""
METHODS = ("dpo", "dama")
PAIRS, STEPS = 2, 3


def serve() -> None:
    """Run some steps of a method whenever its name comes in; answer with their CPU seconds.

    Where "count" stands before the name, answer with the operations of these steps instead.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    from harness.costs.shapes import Shape
    from harness.costs.vision_shapes import VisionShape
    from harness.gpu_check import made
    from harness.gpu_check.clock import Clock
    from harness.gpu_check.steps import ours
    from harness.training.attention.choose import use_attention
    from harness.training.kernels.choose import PLAIN, Kernels

    torch.set_num_threads(1)
    shape = Shape(
        family="llava",
        hidden=256,
        layers=6,
        heads=4,
        key_heads=4,
        intermediate=688,
        vocabulary=8000,
        image_tokens=144,
        vision=VisionShape(hidden=64, layers=2, heads=2, intermediate=256, image=168, patch=14),
    )

    class Operations(TorchDispatchMode):
        """Counts operations, each with the shapes of the tensors that it reads."""

        def __init__(self) -> None:
            super().__init__()
            self.found: Counter[str] = Counter()

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            read = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            self.found[f"{func} {' '.join(str([*one.shape]) for one in read)}"] += 1
            return func(*args, **(kwargs or {}))

    cpu, single = torch.device("cpu"), torch.float32
    # In bfloat16, which the check asks for, most CPUs are many times slower.
    ours.made_model = lambda shape, device, _: made.made_model(shape, device, single)
    used = Kernels(use_attention("auto", cpu, single), PLAIN)
    with tempfile.TemporaryDirectory() as folder:
        amounts = ours.Amounts(pairs=(PAIRS,), warmup=0, steps=STEPS)
        check = ours.Ours(shape, cpu, used, "none", amounts, Path(folder))

        def run(method: str) -> Any:
            # The first row is of no recomputation; the generator is not asked for the second.
            row = next(check.rows(2**40, (method,), used, Clock(3600)))
            assert row.fault is None, row.fault
            return row

        def calls(method: str) -> int:
            """Return how many functions of Python the steps call."""
            made = 0

            def count(_frame: Any, event: str, _argument: Any) -> None:
                nonlocal made
                made += event == "call"

            sys.setprofile(count)
            try:
                run(method)
            finally:
                sys.setprofile(None)
            return made

        for line in sys.stdin:
            *counts, method = line.split()
            if counts:
                with Operations() as operations:
                    run(method)
                answer: dict[str, Any] = {"operations": operations.found, "calls": calls(method)}
            else:
                started = time.process_time()
                row = run(method)
                answer = {"seconds": time.process_time() - started, "loss": row.loss}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


class Work(NamedTuple):
    """What some steps of a method do, whatever else the machine does."""

    operations: Counter[str]
    """Operations on tensors, each with the shapes that it reads."""
    calls: int
    """Functions of Python that are called."""


class Side:
    """The step of one tree, in a process of its own."""

    def __init__(self, tree: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, method: str) -> dict[str, float]:
        """Return seconds and the first loss of some steps."""
        return self._asked(method)

    def work(self, method: str) -> "Work":
        """Return what some steps do."""
        found = self._asked(f"count {method}")
        return Work(Counter(found["operations"]), found["calls"])

    def _asked(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def has(revision: str) -> bool:
    """Say whether the repository holds a commit; a shallow clone may not."""
    words = ["git", "cat-file", "-e", f"{revision}^{{commit}}"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0


class Grown(NamedTuple):
    """One method's step against its earlier self."""

    before: Work
    now: Work
    ratios: Sequence[float]
    """CPU seconds of neighbouring turns, now over before."""

    @property
    def calls(self) -> float:
        """Functions of Python that are called, now over before."""
        return self.now.calls / self.before.calls


def measure(revision: str, repeats: int) -> Mapping[str, Grown]:
    """Return each method's step, ours against the earlier commit's."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        archive = ["git", "archive", revision, "harness", "methods", "benchmarks"]
        packed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
        sides = (Side(tree), Side(ROOT))
        try:
            return {
                method: Grown(
                    *(side.work(method) for side in sides), [*_ratios(method, sides, repeats)]
                )
                for method in METHODS
            }
        finally:
            for side in sides:
                side.close()


def _ratios(method: str, sides: tuple[Side, Side], repeats: int) -> Iterator[float]:
    earlier, today = (side.run(method) for side in sides)  # the first steps allocate
    if earlier["loss"] != today["loss"]:
        raise SystemExit(f"{method}: the loss was {earlier['loss']}, and is {today['loss']}")
    for turn in range(repeats):
        order = (0, 1) if turn % 2 else (1, 0)
        taken = {one: sides[one].run(method)["seconds"] for one in order}
        yield taken[1] / taken[0]


def median_of(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the median with its 95 % interval, from drawing the ratios again."""
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    return float(np.median(ratios)), *map(float, np.quantile(drawn, (0.025, 0.975)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", nargs="?", default=BEFORE_VIEWS)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    for method, grown in measure(given.revision, given.repeats).items():
        sys.stdout.write(f"{method}: {told(grown)}\n")


def told(grown: Grown) -> str:
    """Say in words by what a step has grown."""
    added, dropped = (
        (one.operations - other.operations).total()
        for one, other in ((grown.now, grown.before), (grown.before, grown.now))
    )
    middle, low, high = median_of(grown.ratios)
    return (
        f"{grown.now.operations.total():,} operations, {added} new and {dropped} gone; "
        f"{grown.now.calls:,} calls, {grown.calls:.4f} times the earlier ones; "
        f"{middle:.4f} times its CPU seconds ({low:.4f} to {high:.4f})"
    )


if __name__ == "__main__":
    main()
