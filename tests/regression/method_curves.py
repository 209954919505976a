"""Draw what each method does to both responses: python tests/regression/method_curves.py OUT FILE.

OUT is the folder that holds runs/ of tiny trainings, as `--out` names it; FILE is a PNG. One panel
per row of the table, seeds together: how far the mean log-probability of the chosen and of the
rejected responses of a batch is above the base model's, over steps. OUT holds runs of a method
whose rewards tell what the base model says, for each seed: cdpo, mm_dpo or hsa_dpo.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.identity.labels import label_of
from harness.runs.rundir import RunDir
from harness.training.metrics import read_rows

_COLOURS = {"chosen": "#1b7f5c", "rejected": "#c2543d"}
_WINDOW = 20
"""Steps that a line is the mean of: every batch is of other pairs."""
_ACROSS = 6
_PLAIN_REWARDS = ("cdpo", "mm_dpo", "hsa_dpo")
"""Methods that log beta times the log-ratio of each response, one beta for all pairs."""


def curves(out: Path) -> dict[str, list[pd.DataFrame]]:
    """Return the smoothed changes of each run, by the label of its row.

    Runs of one seed see the same batches, so the rewards of one method over its beta tell what the
    base model says of them.
    """
    runs = [RunDir(folder) for folder in sorted((out / "runs").iterdir())]
    trained = [(run.read_spec(), _read(run)) for run in runs if run.metrics.exists()]
    base = {
        spec.seed: rows[["logps/chosen", "logps/rejected"]]
        - rows[["rewards/chosen", "rewards/rejected"]].to_numpy() / spec.config["beta"]
        for spec, rows in trained
        if label_of(spec) in _PLAIN_REWARDS
    }
    found: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for spec, rows in trained:
        change = rows[["logps/chosen", "logps/rejected"]] - base[spec.seed]
        smooth = change.rolling(_WINDOW, center=True, min_periods=1).mean()
        found[label_of(spec)].append(smooth.set_axis(list(_COLOURS), axis=1))
    return dict(found)


def _read(run: RunDir) -> pd.DataFrame:
    return pd.DataFrame(read_rows(run.metrics)).set_index("step")


def draw(found: Mapping[str, Sequence[pd.DataFrame]], file: Path) -> None:
    """Write the figure; all panels have one scale."""
    across = min(_ACROSS, len(found))
    down = -(-len(found) // across)
    figure = Figure(figsize=(2.1 * across, 1.9 * down + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for panel in panels:
        panel.set_axis_off()
    for panel, (label, runs) in zip(panels, found.items(), strict=False):
        panel.set_axis_on()
        panel.set_title(label, fontsize=9)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
        for side, colour in _COLOURS.items():
            together = pd.concat([run[side] for run in runs], axis=1)
            panel.plot(together.mean(axis=1), color=colour, linewidth=1.4, label=side)
            panel.fill_between(
                together.index,
                together.min(axis=1),
                together.max(axis=1),
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("log-probability over\nthe base model's, nats", fontsize=9)
    lines, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    figure.savefig(file, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    draw(curves(Path(sys.argv[1])), Path(sys.argv[2]))
