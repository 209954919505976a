"""Write the tables of a measured GPU into docs/performance.md: python tests/perf/gpu_tables.py."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results/perf"
WHOLE, KERNELS, FEW = (
    f"gpu-h100-80gb-7b-{part}.json" for part in ("layers32", "layers32-kernels", "layers2")
)
PAGE = ROOT / "docs/performance.md"
START = "<!-- made by tests/perf/gpu_tables.py from results/perf/gpu-*.json -->\n"
END = "<!-- end of the GPU's tables -->"
_GIB = 2**30
_HEAD = (
    "| step | kernels | run again | pairs | s | pairs/s | tokens/s | useful | peak, GiB "
    "| over plan |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|"
)


def tables(whole: Mapping, kernels: Mapping, few: Mapping) -> str:
    """Return the measured part of the page."""
    device = whole["device"]
    said = whole["ceilings"]
    packages = ", ".join(
        f"{name} {version}" for name, version in whole["packages"].items() if version
    )
    parts = [
        f"One {device['name']}, {whole['measured']['date']}: {packages}, CUDA {whole['cuda']}. "
        f"A product of {said['product_side']} x {said['product_side']} bfloat16 numbers reached "
        f"{said['product_flops'] / 1e12:.0f} TFLOP/s of {device['bf16_flops'] / 1e12:.0f}, a copy "
        f"{said['copied_bytes_per_second'] / 1e12:.2f} TB/s.\n",
        _table(_HEAD, map(_step, _timed(whole))),
        "The same step by other kernels, 20 steps in one process:\n",
        _table(_HEAD, map(_step, _timed(kernels))),
        "Where the device's time goes, under PyTorch's profiler, which slows the host:\n",
        _profiles(kernels["profiles"]),
        "All layers in bfloat16, relative error against float32; as large as that of two padded "
        "rows, and no larger:\n",
        _table(
            "| what | kernels | layers | error | bound |\n|---|---|---:|---:|---:|",
            [
                f"| {row['what'].partition(',')[0]} | {row['kernel']} | {found['layers']} "
                f"| {row['error']:.2e} | {row['bound']:.2e} |"
                for found in (few, whole)
                for row in found["equality"]
                if "all layers" in row["what"]
            ],
        ),
        "Answers in float16:\n",
        _table(
            "| questions | way | answers | tokens each | answers/s | same as in one batch |\n"
            "|---|---|---:|---:|---:|---:|",
            [
                f"| {row['questions']} | {row['way']} | {row['count']} | {row['new_tokens']} "
                f"| {row['answers_per_second']:.1f} "
                f"| {row['same_as_first_way']} of {row['count']} |"
                for row in (*kernels["generation"], *whole["generation"][3:])
            ],
        ),
    ]
    return "\n" + "\n".join(parts)


def _timed(found: Mapping) -> list[Mapping]:
    return [row for row in found["steps"] if row["fault"] is None]


def _step(row: Mapping) -> str:
    again = "all" if row["layers_run_again"] else "none"
    over = row["peak_over_plan"]
    return (
        f"| {row['step']} | {row['kernels'] or 'its own'} | {again} | {row['pairs']} "
        f"| {row['seconds']:.3f} | {row['pairs_per_second']:.1f} "
        f"| {row['tokens_per_second']:,.0f} | {row['utilisation']:.1%} "
        f"| {row['peak_bytes'] / _GIB:.1f} | {'' if over is None else format(over, '.3f')} |"
    )


def _profiles(profiles: list[Mapping]) -> str:
    kinds = profiles[0]["shares"]
    names = [one["kernels"] for one in profiles]
    head = f"| kind | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    rows = [
        f"| {kind.replace('by a compiler', 'operations')}, ms | "
        + " | ".join(f"{1e3 * one['shares'][kind] * one['seconds']:.0f}" for one in profiles)
        + " |"
        for kind in kinds
    ]
    return _table(head, rows)


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, *rows]) + "\n"


def read() -> tuple[Mapping, ...]:
    """Return the committed files."""
    return tuple(json.loads((RESULTS / name).read_text("utf-8")) for name in (WHOLE, KERNELS, FEW))


def main() -> None:
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + tables(*read()) + "\n" + END + after, "utf-8")


if __name__ == "__main__":
    main()
