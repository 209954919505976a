"""Measure the training step against the released code's and TRL's: python tests/perf/step_speed.py.

All run forward and backward on the same pairs, model and loss, by turns in one process, on a
random LLaVA of middle size with 576 image tokens; a difference of losses stops the measurement.
Prints median CPU seconds and ratios with their extremes, positions, peak memory, counted work and
a profile, and writes them to a JSON file and a bar chart when a file is named.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import transformers
import trl
from rich.console import Console
from rich.table import Table
from step_chart import draw
from step_kinds import LADDER, Setting, Step, all_steps
from step_setting import MIDDLE, Size
from step_work import counted, floor_flops, profiled

RATIOS = {
    "released, as each is run": ("released, checkpointing", "here"),
    "released, checkpointing off on both": ("released", "here"),
    "released, checkpointing on both": ("released, checkpointing", "here, checkpointing"),
    "TRL, as each is run": ("TRL, checkpointing", "here"),
    "TRL, checkpointing off on both": ("TRL", "here"),
    "TRL, checkpointing on both": ("TRL, checkpointing", "here, checkpointing"),
}
MEMORY = {
    "released, checkpointing on both": ("released, checkpointing", "here, checkpointing"),
    "TRL, checkpointing on both": ("TRL, checkpointing", "here, checkpointing"),
}
_KINDS = ("median", "least", "most")
_LOSS_SPREAD = 2e-5
"""Summed log-probabilities lie between 1024 and 2048 nats, where float32 has steps of 1.2e-4;
beta is 0.1, so losses of one size may differ by a step or two of 1.2e-5 / 2."""


def measure(size: Size, repeats: int) -> dict[str, object]:
    """Run every step once to count, and `repeats` times by turns to take times."""
    setting = Setting(size)
    steps = all_steps(setting)
    counts = {name: counted(step.run, step.trained) for name, step in steps.items()}
    losses = {name: one.loss for name, one in counts.items()}
    loss_spread = max(losses.values()) - min(losses.values())
    if loss_spread > _LOSS_SPREAD:
        raise SystemExit(f"the steps do not compute the same loss: {losses}")
    seconds = by_turns(steps, repeats)
    floor = floor_flops(setting.pairs, setting.size)
    return {
        "pairs": size.pairs,
        "vocabulary": size.shape.vocabulary,
        "repeats": repeats,
        "loss": losses["here"],
        "loss_spread": loss_spread,
        "steps": {
            name: {
                **spread("cpu_seconds", seconds[name]),
                "positions": step.positions,
                "peak_activation_mib": counts[name].peak_bytes / 2**20,
                "gflop": counts[name].flops / 1e9,
            }
            for name, step in steps.items()
        },
        "ratio": {name: ratio(seconds[a], seconds[b]) for name, (a, b) in RATIOS.items()},
        "memory_ratio": {
            name: counts[a].peak_bytes / counts[b].peak_bytes for name, (a, b) in MEMORY.items()
        },
        "floor_gflop": floor / 1e9,
        "work_over_floor": counts["here"].flops / floor,
        "ladder": {name: ratio(seconds[name], seconds["here"]) for name in LADDER},
        "profile": profiled(steps["here"].run, size.shape.vocabulary),
    }


def by_turns(steps: Mapping[str, Step], repeats: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            started = time.process_time()
            step.run()
            seconds[name].append(time.process_time() - started)
            step.trained.zero_grad(set_to_none=True)
    return seconds


def ratio(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Median of the ratios of neighbouring runs, with their extremes."""
    return spread("ratio", [a / b for a, b in zip(theirs, ours, strict=True)])


def spread(of: str, values: Sequence[float]) -> dict[str, float]:
    return {
        f"median_{of}": statistics.median(values),
        f"least_{of}": min(values),
        f"most_{of}": max(values),
    }


def show(found: Mapping, console: Console) -> None:
    """Print the tables."""
    table = Table("step", "CPU s", "least", "most", "positions", "peak MiB", "GFLOP")
    for name, one in found["steps"].items():
        seconds = (f"{one[f'{kind}_cpu_seconds']:.2f}" for kind in _KINDS)
        table.add_row(
            name,
            *seconds,
            str(one["positions"]),
            f"{one['peak_activation_mib']:.0f}",
            f"{one['gflop']:.0f}",
        )
    console.print(table)
    ratios = Table("ratio over here", "median", "least", "most")
    for name, one in [*found["ratio"].items(), *found["ladder"].items()]:
        ratios.add_row(name, *(f"{one[f'{kind}_ratio']:.2f}" for kind in _KINDS))
    console.print(ratios)
    console.print(f"work over the floor: {found['work_over_floor']:.3f}")
    for name, one in found["memory_ratio"].items():
        console.print(f"peak memory, {name}: {one:.1f} times ours")
    shares = ", ".join(f"{kind} {share:.1%}" for kind, share in found["profile"].items())
    console.print(f"time of our step: {shares}; loss {found['loss']:.6f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=Size.pairs)
    parser.add_argument("--vocabulary", type=int, default=MIDDLE.vocabulary)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a JSON file; the chart is written beside it")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shape = replace(MIDDLE, vocabulary=given.vocabulary)
    found = measure(Size(shape, given.pairs), given.repeats)
    found |= {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "machine": platform.machine(),
        "threads": given.threads,
    }
    show(found, Console())
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        draw(found, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
