"""Write the tables of a measured GPU into docs/performance.md: python tests/perf/gpu_tables.py."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results/perf"
PAGE = ROOT / "docs/performance.md"
START = "<!-- made by tests/perf/gpu_tables.py from results/perf/gpu-*.json -->\n"
END = "<!-- end of the GPU's tables -->"
_GIB = 2**30
_WHOLE = ", all layers, against float32"
_PLAIN = "two padded rows"


class Files(NamedTuple):
    """The committed files, each named by what it is the record of."""

    steps: Mapping
    few_pairs: Mapping
    answers: Mapping
    """And all layers against float32."""
    attentions: Mapping
    """Those that a run would not take, in one layer."""
    compiled: Mapping
    """torch.compile's kernels, by an earlier version."""
    deepspeed: Mapping
    """Two layers with an optimizer, by an earlier version: their memory."""


_PARTS = Files(
    *("layers32", "layers32-few-pairs", "layers32-answers"),
    *("layers1", "layers32-kernels", "layers2"),
)


def tables(files: Files) -> str:
    """Return the measured part of the page."""
    parts = [
        _about(files.steps),
        _steps([*timed(files.steps), *timed(files.few_pairs)]),
        "Where the device's time goes, ms, under PyTorch's profiler, which slows the host:\n",
        _profiles([*files.steps["profiles"], *files.few_pairs["profiles"]]),
        "The choice of kernels, by an earlier version: DPO, four pairs, nothing run again, "
        "20 steps in one process.\n",
        _compiled(files.compiled),
        "All layers in bfloat16, relative error against float32 of two padded rows, and of the "
        "packed row with the bound that it has to keep:\n",
        _all_layers(files.answers["equality"]),
        "Flex attention, and of all attentions whether a layer's gradients repeat to the bit:\n",
        _attentions(files.attentions["equality"]),
        "Answers in float16:\n",
        _answers(files.answers["generation"]),
    ]
    return "\n" + "\n".join(parts)


def timed(found: Mapping) -> list[Mapping]:
    """Return the steps that there was time for."""
    return [row for row in found["steps"] if row["fault"] is None]


def _about(found: Mapping) -> str:
    device, said = found["device"], found["ceilings"]
    packages = ", ".join(
        f"{name} {version}" for name, version in found["packages"].items() if version
    )
    return (
        f"One {device['name']}, {found['measured']['date']}: {packages}, CUDA {found['cuda']}. "
        f"A product of {said['product_side']} x {said['product_side']} bfloat16 numbers reached "
        f"{said['product_flops'] / 1e12:.0f} TFLOP/s of {device['bf16_flops'] / 1e12:.0f}, a copy "
        f"{said['copied_bytes_per_second'] / 1e12:.2f} TB/s.\n"
    )


def _steps(rows: list[Mapping]) -> str:
    return _table(
        "| step | kernels | run again | pairs | s | least to most | pairs/s | tokens/s | useful "
        "| peak, GiB | over plan |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        map(_step, rows),
    )


def _step(row: Mapping) -> str:
    again = "all" if row["layers_run_again"] else "none"
    over = row["peak_over_plan"]
    return (
        f"| {row['step']} | {row['kernels'] or 'its own'} | {again} | {row['pairs']} "
        f"| {row['seconds']:.3f} | {row['seconds_least']:.3f} to {row['seconds_most']:.3f} "
        f"| {row['pairs_per_second']:.1f} | {row['tokens_per_second']:,.0f} "
        f"| {row['utilisation']:.1%} | {row['peak_bytes'] / _GIB:.1f} "
        f"| {'' if over is None else format(over, '.3f')} |"
    )


def _profiles(profiles: list[Mapping]) -> str:
    names = [f"{one['kernels']}, {one['pairs']} pairs" for one in profiles]
    rows = [[kind, *(_ms(one, kind) for one in profiles)] for kind in profiles[0]["shares"]]
    return _pivot("kind", names, rows)


def _ms(profile: Mapping, kind: str) -> str:
    return f"{1e3 * profile['shares'][kind] * profile['seconds']:.0f}"


def _compiled(found: Mapping) -> str:
    fused = {one["kernels"]: _ms(one, "fused by a compiler") for one in found["profiles"]}
    return _table(
        "| kernels | s | useful | peak, GiB | fused operations, ms |\n|---|---:|---:|---:|---:|",
        [
            f"| {row['kernels']} | {row['seconds']:.3f} | {row['utilisation']:.1%} "
            f"| {row['peak_bytes'] / _GIB:.1f} | {fused[row['kernels']]} |"
            for row in timed(found)
            if row["step"] == "dpo" and not row["layers_run_again"]
        ],
    )


def _all_layers(equality: list[Mapping]) -> str:
    rows = [row for row in equality if row["what"].endswith(_WHOLE)]
    kernels = list(dict.fromkeys(row["kernel"] for row in rows))
    found = {(row["what"], row["kernel"]): row for row in rows}
    whats = dict.fromkeys(row["what"] for row in rows)
    packed = next(name for name in kernels if name != _PLAIN)
    return _pivot(
        "what",
        [*kernels, "bound"],
        [
            [
                what.removesuffix(_WHOLE),
                *(f"{found[what, name]['error']:.2e}" for name in kernels),
                f"{found[what, packed]['bound']:.2e}",
            ]
            for what in whats
        ],
    )


def _attentions(equality: list[Mapping]) -> str:
    """Of a kernel that was compared twice, the last time."""
    shown = {
        (row["what"], row["kernel"], row["dtype"]): row
        for row in equality
        if row["kernel"] == "flex" or "gradients_repeat" in row
    }
    said = {True: "yes", False: "no", None: ""}
    return _table(
        "| what | attention | in | error | bound | repeat |\n|---|---|---|---:|---:|---|",
        [
            f"| {row['what']} | {row['kernel']} | {row['dtype']} | {row['error']:.1e} "
            f"| {row['bound']:.0e} | {said[row.get('gradients_repeat')]} |"
            for row in shown.values()
        ],
    )


def _answers(rows: list[Mapping]) -> str:
    return _table(
        "| questions | way | answers | tokens each | answers/s | same as in one batch |\n"
        "|---|---|---:|---:|---:|---:|",
        [
            f"| {row['questions']} | {row['way']} | {row['count']} | {row['new_tokens']} "
            f"| {row['answers_per_second']:.1f} | {row['same_as_first_way']} of {row['count']} |"
            for row in rows
        ],
    )


def _pivot(first: str, names: list[str], rows: Iterable[list[str]]) -> str:
    head = f"| {first} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    return _table(head, [f"| {' | '.join(row)} |" for row in rows])


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, *rows]) + "\n"


def read() -> Files:
    """Return the committed files."""
    names = (RESULTS / f"gpu-h100-80gb-7b-{part}.json" for part in _PARTS)
    return Files(*(json.loads(name.read_text("utf-8")) for name in names))


def main() -> None:
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + tables(read()) + "\n" + END + after, "utf-8")


if __name__ == "__main__":
    main()
