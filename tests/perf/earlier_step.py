"""Measure a run's step against an earlier commit's: python tests/perf/earlier_step.py [COMMIT].

Each side is a process of its own with that commit's code, which runs the product's whole step
(loop, passes, loss, backward, optimizer) of `harness.gpu_check` on a small random LLaVA. They take
turns, never at once, and the order changes from turn to turn. Printed is the median ratio of CPU
seconds of neighbouring turns, today's over the earlier commit's, with a 95 % interval.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
BEFORE_VIEWS = "3519db7a603976f649978b6c2384b2e2b71f8d2b"
"""The last commit whose step knows neither views, nor statistics, nor marks."""
METHODS = ("dpo", "dama")
PAIRS, STEPS = 2, 3


def serve() -> None:
    """Run some steps of a method whenever its name comes in; answer with their CPU seconds."""
    import torch

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
    cpu, single = torch.device("cpu"), torch.float32
    # In bfloat16, which the check asks for, most CPUs are many times slower.
    ours.made_model = lambda shape, device, _: made.made_model(shape, device, single)
    used = Kernels(use_attention("auto", cpu, single), PLAIN)
    with tempfile.TemporaryDirectory() as folder:
        amounts = ours.Amounts(pairs=(PAIRS,), warmup=0, steps=STEPS)
        check = ours.Ours(shape, cpu, used, "none", amounts, Path(folder))
        for line in sys.stdin:
            started = time.process_time()
            # The first row is of no recomputation; the generator is not asked for the second.
            row = next(check.rows(2**40, (line.strip(),), used, Clock(3600)))
            taken = time.process_time() - started
            assert row.fault is None, row.fault
            sys.stdout.write(json.dumps({"seconds": taken, "loss": row.loss}) + "\n")
            sys.stdout.flush()


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
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(method, file=self._process.stdin, flush=True)
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def has(revision: str) -> bool:
    """Say whether the repository holds a commit; a shallow clone may not."""
    words = ["git", "cat-file", "-e", f"{revision}^{{commit}}"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode == 0


def measure(revision: str, repeats: int) -> Mapping[str, Sequence[float]]:
    """Return for each method the ratios of neighbouring turns, ours over the earlier commit's."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        archive = ["git", "archive", revision, "harness", "methods", "benchmarks"]
        packed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
        sides = (Side(tree), Side(ROOT))
        try:
            return {method: list(_ratios(method, sides, repeats)) for method in METHODS}
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
    for method, ratios in measure(given.revision, given.repeats).items():
        middle, low, high = median_of(ratios)
        told = f"{method}: {middle:.4f} times the earlier step ({low:.4f} to {high:.4f})"
        sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
