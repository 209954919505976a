"""How names and numbers read in a table, and how Markdown writes one."""

import re
from collections.abc import Sequence

from benchmarks.types import Metric
from harness.reporting.statistics import Estimate

MISSING = "—"

BENCHMARKS = {
    "object_halbench": "ObjHal",
    "amber": "AMBER",
    "mmhal": "MMHal",
    "llava_bench": "LLaVA-W",
    "mm_vet": "MM-Vet",
}
METRICS = {
    "response_hallucination": "resp.",
    "mention_hallucination": "ment.",
    "hallucination_rate": "hall.",
    "informativeness": "info.",
    "chair": "CHAIR",
    "cover": "Cover",
    "hal": "Hal",
    "cog": "Cog",
    "accuracy": "Acc",
    "f1": "F1",
    "amber_score": "score",
}
DIGITS = {"percent": 1, "points": 1, "score": 2}


def benchmark_name(benchmark: str) -> str:
    """Return the short name that tables use; a benchmark without one keeps its own."""
    return BENCHMARKS.get(benchmark, benchmark)


def header(benchmark: str, metric: Metric) -> str:
    """Return such as `ObjHal resp. ↓`: the arrow points to where better is."""
    arrow = "↑" if metric.higher_is_better else "↓"
    return f"{benchmark_name(benchmark)} {metric_name(metric.name)} {arrow}"


def metric_name(metric: str) -> str:
    """Return the readable name of a metric; one without a short name keeps its own."""
    return METRICS.get(metric, metric.replace("_", " "))


def number(value: float, unit: str) -> str:
    """Return the value with the digits that papers print for its unit."""
    return f"{value:.{DIGITS[unit]}f}"


def estimate(value: Estimate, unit: str) -> str:
    """Return such as `12.3 ± 1.4`, without an interval for a single seed."""
    mean = number(value.mean, unit)
    return mean if value.half_width is None else f"{mean} ± {number(value.half_width, unit)}"


def interval(low: float, high: float, unit: str) -> str:
    """Return such as `39.0\u201350.3`."""
    return f"{number(low, unit)}\u2013{number(high, unit)}"


def signed(value: float, unit: str) -> str:
    """Return the value with its sign, zero without one."""
    text = number(value, unit)
    return text.removeprefix("-") if float(text) == 0 else f"{value:+.{DIGITS[unit]}f}"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, also inside a table."""
    one_line = " ".join(text.split())
    # An underscore within a word marks nothing, and names are easier to search without a backslash.
    return re.sub(r"[\\`*|<>\[\]#~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line)


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; cells are Markdown already, the first column stands left."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
