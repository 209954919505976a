"""The five benchmarks of the tiny world, each in its own published format."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.world.asked import Asked, write_asked
from harness.world.questions import amber, llava_bench, mm_vet, mmhal, object_halbench
from harness.world.scenes import Scene

WRITERS: dict[str, Callable[[Path, Sequence[Scene], np.random.Generator], list[Asked]]] = {
    "object_halbench": object_halbench.write,
    "amber": amber.write,
    "mmhal": mmhal.write,
    "llava_bench": llava_bench.write,
    "mm_vet": mm_vet.write,
}


def write_benchmarks(folder: Path, scenes: Sequence[Scene], seed: int) -> None:
    """Write the benchmarks' folders, and beside them what the oracle needs to know.

    The same scenes and seed give the same bytes.

    Args:
        folder: Gets one folder per benchmark.
        scenes: Held-out scenes; about 300 of them.
        seed: Decides which scenes and questions are chosen, for each benchmark on its own.
    """
    asked: list[Asked] = []
    for number, (name, write) in enumerate(WRITERS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        asked += write(folder / name, scenes, np.random.default_rng([seed, number]))
    write_asked(folder, asked)
