"""Write the measured tables into docs/performance.md: python tests/perf/step_tables.py."""

import json
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results/perf/step.json"
PAGE = ROOT / "docs/performance.md"
START = "<!-- made by tests/perf/step_tables.py from results/perf/step.json -->\n"
END = "<!-- end -->"


def tables(found: Mapping) -> str:
    """Return the measured part of the page."""
    here = found["steps"]["here"]
    parts = [
        _table(
            "| ratio over the step here | median | least to most |\n|---|---:|---:|",
            [
                f"| {name} | {one['median_ratio']:.2f} | {_range(one)} |"
                for name, one in found["ratio"].items()
            ],
        ),
        _table(
            "| step | CPU s | positions | peak, MiB | work, GFLOP |\n|---|---:|---:|---:|---:|",
            [
                f"| {name} | {one['median_cpu_seconds']:.1f} | {one['positions']} "
                f"| {one['peak_activation_mib']:.0f} | {one['gflop']:.0f} |"
                for name, one in found["steps"].items()
            ],
        ),
        f"Work here: {here['gflop']:.0f} GFLOP, {found['work_over_floor']:.2f} of the floor of "
        f"{found['floor_gflop']:.0f}. Peak with recomputation on both sides: "
        + ", ".join(
            f"{name.split(',')[0]} {one:.1f} times ours"
            for name, one in found["memory_ratio"].items()
        )
        + f". Loss {found['loss']:.6f}, the same for all within {found['loss_spread']:.1e}; "
        f"{found['repeats']} repeats; torch {found['torch']}, transformers "
        f"{found['transformers']}, trl {found['trl']}, {found['machine']}.\n",
        "The ladder, without recomputation; every rung keeps what the one above does:\n",
        _table(
            "| rung | time over the step here | least to most |\n|---|---:|---:|",
            [
                f"| {name} | {one['median_ratio']:.2f} | {_range(one)} |"
                for name, one in found["ladder"].items()
            ],
        ),
        "Where the time of the step here goes, under PyTorch's profiler:\n",
        _table(
            "| kind | share |\n|---|---:|",
            [f"| {kind} | {share:.1%} |" for kind, share in found["profile"].items()],
        ),
    ]
    return "\n" + "\n".join(parts)


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, *rows]) + "\n"


def _range(one: Mapping) -> str:
    return f"{one['least_ratio']:.2f} to {one['most_ratio']:.2f}"


def main() -> None:
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    measured = tables(json.loads(RESULT.read_text("utf-8")))
    PAGE.write_text(f"{before}{START}{measured}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
