"""Histograms of clip_gap and alpha_D over a data set, as one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.data.columns.summary import Summary, data_factor
from harness.files.atomic import written

BAR, LINE, GRID, INK = "#4c78a8", "#d1495b", "#dddddd", "#333333"
_BINS = 60


def save_histograms(file: Path, gaps: Sequence[float], summary: Summary, title: str) -> None:
    """Draw how clip_gap and the factor on beta that follows from it are distributed."""
    figure = Figure(figsize=(11, 4.6), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=13, color=INK)
    _histogram(
        left,
        np.asarray(gaps),
        (summary.mean, f"mean {summary.mean:.4f}"),
        "clip_gap: CLIP score of chosen minus rejected\n(hard pairs left, easy pairs right)",
    )
    left.set_title(f"{summary.pairs:,} pairs, deviation {summary.deviation:.4f}", fontsize=10)
    _histogram(
        right,
        np.asarray([data_factor(gap, summary.mean) for gap in gaps]),
        (1.0, "1: beta as it is"),
        "alpha_D: factor on beta\n(sigmoid of clip_gap over sigmoid of its mean)",
    )
    right.set_title(f"sigmoid of the mean {summary.sigma_of_mean:.4f}", fontsize=10)
    with written(file) as partial:
        figure.savefig(partial, format="png")


def _histogram(
    axes: Axes, values: NDArray[np.float64], mark: tuple[float, str], label: str
) -> None:
    axes.hist(values, bins=_BINS, color=BAR, edgecolor="white", linewidth=0.3)
    axes.axvline(mark[0], color=LINE, linewidth=1.6, label=mark[1])
    axes.set_xlabel(label, color=INK)
    axes.set_ylabel("number of pairs", color=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
