"""Measure what pairs of one image save in a batch: python tests/perf/shared_images.py.

Four pairs on four images, on two and on one run our step, forward and backward, by turns in one
process, on the model of step_speed.py. Prints positions, counted work, median CPU seconds and
ratios with their extremes, and what is to be expected of RLAIF-V at 7b by formula; writes all to
a JSON file when one is named.
"""

import argparse
import copy
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from step_kinds import Setting, shared_steps
from step_setting import Size
from step_speed import by_turns, ratio, spread
from step_work import counted

from harness.costs.flops import step_flops, tower_flops
from harness.costs.load import Load
from harness.costs.shapes import LLAVA_7B, Shape
from harness.data.images import ImageRef

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results/perf/shared-images.json"
PAIRS = 4
PER_IMAGE = {"an image each": 1, "two per image": 2, "four on one image": 4}
APART = "an image each"
RLAIF_V = (22_000, 13_000)
"""Pairs that DAMA trains on, and their images, both roughly. Source: PEA-DPO's paper."""
SHARES = (2, 4, 8, 16)
"""Pairs of a batch on one device; a batch of the preset has 16."""


def measure(size: Size, repeats: int) -> dict[str, object]:
    """Run every step once to count, and `repeats` times by turns to take times."""
    setting = Setting(size)
    steps = {
        name: shared_steps(on_images(setting, pairs))["here"] for name, pairs in PER_IMAGE.items()
    }
    counts = {name: counted(step.run, step.trained) for name, step in steps.items()}
    seconds = by_turns(steps, repeats)
    return {
        "repeats": repeats,
        "rows": {
            name: {
                "images": size.pairs // PER_IMAGE[name],
                "positions": step.positions,
                "gflop": counts[name].flops / 1e9,
                "work_ratio": counts[name].flops / counts[APART].flops,
                **spread("cpu_seconds", seconds[name]),
                **ratio(seconds[name], seconds[APART]),
            }
            for name, step in steps.items()
        },
        "expected_at_7b": {str(share): expected(LLAVA_7B, share) for share in SHARES},
    }


def on_images(setting: Setting, per_image: int) -> Setting:
    """Return a setting with the same pairs, of which so many share an image."""
    shared = copy.copy(setting)
    shared.pairs = [
        replace(pair, images=(ImageRef(pair.row, 0, str(pair.row // per_image)),))
        for pair in setting.pairs
    ]
    return shared


def expected(shape: Shape, share: int) -> dict[str, float]:
    """Return images in a device's share of a batch by image, and its work over that without.

    Of N pairs on G images that stand together, N - G follow one of the same image.
    """
    pairs, images = RLAIF_V
    held = share - (share - 1) * (1 - images / pairs)
    return {"images": held, "work_ratio": work(shape, share, held) / work(shape, share, share)}


def work(shape: Shape, pairs: int, images: float) -> float:
    """Return the operations of our step for pairs in one row on fewer images, by formula.

    Pairs of one image are pairs without any that share a longer text: work falls by as much with
    every image less.
    """
    apart = Load(pairs=pairs)
    together = replace(apart, system=apart.system + apart.image, image=0)
    tower = tower_flops(shape)
    most, least = (pairs * (step_flops(shape, load) - tower) for load in (apart, together))
    least += 6 * apart.image * shape.projector_parameters
    return most - (pairs - images) * (most - least) / (pairs - 1) + images * tower


def tables(found: Mapping) -> str:
    """Return the measured and the counted table of docs/performance.md."""
    lines = [
        "| four pairs | images | positions | work, GFLOP | work, ratio | CPU s | time, ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {one['images']} | {one['positions']} | {one['gflop']:.0f} "
        f"| {one['work_ratio']:.2f} | {one['median_cpu_seconds']:.1f} "
        f"| {one['median_ratio']:.2f} ({one['least_ratio']:.2f} to {one['most_ratio']:.2f}) |"
        for name, one in found["rows"].items()
    ]
    lines += ["", "| pairs on a device | images among them | work, ratio |", "|---:|---:|---:|"]
    lines += [
        f"| {share} | {one['images']:.1f} | {one['work_ratio']:.2f} |"
        for share, one in found["expected_at_7b"].items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a JSON file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = measure(Size(pairs=PAIRS), given.repeats)
    found |= {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": given.threads,
    }
    Console().print(tables(found), end="", markup=False, soft_wrap=True)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
