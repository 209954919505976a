"""Draw what step_speed measured: python tests/perf/step_chart.py results/perf/step.json."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_OURS, _THEIRS, _RUNG = "#1b7f5c", "#8a8f98", "#5b8fd6"
_BARS = (
    "here",
    "here, checkpointing",
    "released",
    "released, checkpointing",
    "TRL",
    "TRL, checkpointing",
)


def draw(found: Mapping, file: Path) -> None:
    """Write the chart: seconds and memory of each step, and the ladder."""
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    (seconds, memory), (ladder, kinds_of_work) = figure.subplots(2, 2, height_ratios=(1, 1))
    steps = found["steps"]
    colours = [_OURS if name.startswith("here") else _THEIRS for name in _BARS]

    times, least, most = (
        [steps[name][f"{kind}_cpu_seconds"] for name in _BARS]
        for kind in ("median", "least", "most")
    )
    written = [f"{time:.1f} s  ({time / times[0]:.2f}x)" for time in times]
    _bars(seconds, _BARS, times, colours, written, most)
    below = [time - one for time, one in zip(times, least, strict=True)]
    above = [one - time for time, one in zip(times, most, strict=True)]
    seconds.errorbar(times, range(len(_BARS)), xerr=[below, above], fmt="none", ecolor="black")
    seconds.set_title("CPU seconds of a step, with least and most")

    peaks = [steps[name]["peak_activation_mib"] for name in _BARS]
    _bars(memory, _BARS, peaks, colours, [f"{p:.0f} MiB  ({p / peaks[1]:.1f}x)" for p in peaks])
    memory.set_title("Peak memory (over ours with checkpointing)")

    rungs = [*found["ladder"]]
    ratios = [found["ladder"][name]["median_ratio"] for name in rungs]
    shades = [_THEIRS, *[_RUNG] * (len(rungs) - 2), _OURS]
    rungs[-1] = "here: system text shared too"
    _bars(ladder, rungs, ratios, shades, [f"{ratio:.2f}x" for ratio in ratios])
    ladder.set_title("What each idea brings: time over ours, no checkpointing")

    kinds = list(found["profile"])
    shares = [100 * found["profile"][kind] for kind in kinds]
    _bars(
        kinds_of_work, kinds, shares, [_OURS] * len(kinds), [f"{share:.1f} %" for share in shares]
    )
    kinds_of_work.set_title("Where the time of our step goes")
    figure.suptitle(
        f"Training step, {found['pairs']} pairs, {found['vocabulary']:,} words, middle-size random "
        f"LLaVA, {found['threads']} CPU thread, medians of {found['repeats']}"
    )
    figure.savefig(file, dpi=110)


def _bars(axes, names, values, colours, labels, behind=None) -> None:
    """Draw bars; each label stands behind its bar, or behind another value."""
    axes.barh(range(len(names)), values, color=colours)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    room = max(values) * 1.45
    for place, (label, end) in enumerate(zip(labels, behind or values, strict=True)):
        axes.text(end + room / 60, place, label, va="center", fontsize=9)
    axes.set_xlim(0, room)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    draw(json.loads(source.read_text("utf-8")), source.with_suffix(".png"))
