"""Measure every method's step beside DPO's: python tests/perf/method_steps.py --out FILE.

Each is the product's own `Loop.step`: collation with what is drawn, the tower, a live reference
where one is asked for, forward, loss and backward, without an optimizer. All run on the same pairs
of the middle size by turns in one process. mDPO also runs as its authors do it: three padded rows
of a pair through policy and reference, logits at every position.
"""

import argparse
import copy
import json
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from step_kinds import CPU, Setting, Step
from step_setting import Size
from step_speed import by_turns, ratio, spread
from step_work import counted
from torch import Tensor
from torch.nn import functional as F

from harness.data.columns.columns import with_means
from harness.data.rows.batch import PairTokens
from harness.data.rows.collate import Collator, changed_by
from harness.data.rows.views import Views
from harness.gpu_check.made import PAD, MadeImages
from harness.gpu_check.steps.engines import OneProcess, TorchEngine
from harness.gpu_check.steps.plain import BETA, TwoRows, plain_logps, two_rows
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.training.fitting import checkpoint_layers
from harness.training.loop import Loop
from harness.training.process import Progress
from harness.training.step.batches import Batches
from harness.training.step.live_reference import LiveReference
from harness.training.step.policy import Policy, TokenLogps
from harness.training.step.schedule import DataOrder, LearningRate
from harness.training.watch import Watch
from methods.catalog import BUILTIN
from methods.views import reads_divergence, views_of

SIZE = Size(pairs=4)
"""Methods that draw or sort need several pairs."""
RESULT = Path(__file__).parents[2] / "results" / "perf" / "method-steps.json"
AUTHORS = "mdpo, as its authors run it"
LONGEST = 2048
RUN_AGAIN = 3
"""Decoder layers of CHiP that are run once more, so that it holds what DPO does."""


class Kept:
    """What the reference says of a batch, as if it were read from the disk."""

    def __init__(self, logps: TokenLogps, names: Sequence[str]) -> None:
        self._logps = logps
        self._views = dict(zip(names, logps.views, strict=True))

    def of(self, rows: Sequence[int], width: int) -> TokenLogps:
        return TokenLogps(self._logps.chosen, self._logps.rejected)

    def side(self, name: str, rows: Sequence[int], width: int) -> Tensor:
        return self._views[name]


@dataclass(frozen=True)
class Made:
    """What all methods share."""

    setting: Setting
    images: MadeImages
    folder: Path

    @property
    def rows(self) -> range:
        return range(len(self.setting.pairs))

    def step(
        self, name: str, values: Mapping[str, Any], run_again: int = 0, live: bool = False
    ) -> Step:
        """Return the step of a method with its defaults and these values.

        With `run_again`, as many decoder layers, the first ones, are run once more in backward;
        with `live` the reference runs in every step, as it does in trainers that keep no values.
        """
        method = load_method(name)
        config = method.config.model_validate(values)
        collate = self._collator(method, config)
        policy = Policy(copy.deepcopy(self.setting.policy)).train()
        if run_again:
            checkpoint_layers(policy.language_model, run_again, reentrant=False)
        tower = self.setting.tower()
        loop = self._loop(
            method, config, policy, collate, lambda tokens: tower.features(tokens.images), live
        )
        state = method.init_state(config)

        def run() -> Tensor:
            passes = [collate(self.rows)]
            output, _ = loop.step(0, passes, state)
            return (output.weights * output.losses).sum().detach()

        tokens = collate(self.rows)
        positions = tokens.packed.positions + (tokens.live.packed.positions if tokens.live else 0)
        positions += tokens.packed.positions if live else 0
        return Step(run, policy, positions)

    def _collator(self, method: Any, config: Any) -> Collator:
        rng = torch.Generator().manual_seed(2)
        image = self.setting.size.image_id
        columns = {one: torch.rand(len(self.rows), generator=rng) for one in sorted(method.columns)}
        declared, divergence = views_of(method, config), reads_divergence(method)
        views = Views(declared, 0, self.setting.pairs, self.images.tensor, LONGEST, divergence)
        return Collator(
            pairs=self.setting.pairs,
            images=self.images,
            changed=changed_by(method.segments(config), image),
            columns=with_means(columns),
            image_id=image,
            marks=method.marks(config),
            statistics=method.statistics,
            views=views if declared or divergence else None,
        )

    def _loop(
        self,
        method: Any,
        config: Any,
        policy: Policy,
        collate: Collator,
        features: Callable[[PairTokens], Tensor],
        live: bool,
    ) -> Loop[Any, Any]:
        here = OneProcess(CPU)
        before = Policy(copy.deepcopy(self.setting.reference)).eval().requires_grad_(False)
        declared, divergence = views_of(method, config), reads_divergence(method)
        tokens = replace(collate(self.rows), divergence=False, live=None)
        with torch.no_grad():
            kept = Kept(before(tokens, features(tokens)), [view.name for view in declared])
        lives = (
            live or divergence or any(view.reference and view.draw != "once" for view in declared)
        )
        order = DataOrder(len(self.rows), len(self.rows), 1, False, 0)
        return Loop(
            method=method,
            config=config,
            engine=TorchEngine(policy, 0.0, optimizer=False),
            features=features,
            reference=kept if method.needs_reference else None,
            fixed_views=kept,
            live=LiveReference(before) if lives else None,
            batches=Batches(order, collate, lambda row: 0, None, None, here),
            rate=LearningRate(1e-6, 0, 1, "constant"),
            seed=0,
            save_every=2,
            processes=here,
            watch=Watch(
                order=order,
                pair_id=str,
                limit=None,
                patience=1,
                flops=None,
                run=RunDir(self.folder),
                progress=Progress(self.folder / "progress.jsonl", rank=0),
                processes=here,
            ),
            stop_asked=lambda: False,
        )

    def as_its_authors(self) -> Step:
        """Return mDPO's step as its trainer runs it: the reference in the loop, three rows a pair.

        Source: outputs of luka-group/mDPO; both responses in one forward pass, the chosen one on a
        crop in a second.
        """
        policy, before = (
            copy.deepcopy(one) for one in (self.setting.policy, self.setting.reference)
        )
        pairs = self.setting.pairs
        images = [self.images.tensor(image) for pair in pairs for image in pair.images]
        both = two_rows(pairs, images, PAD)
        # The pixels of another picture: what the crop shows does not count here.
        alone = TwoRows(*(part[: len(pairs)] for part in vars(both).values()))
        alone = replace(alone, pixel_values=alone.pixel_values.flip(-1))

        def logps(model: Any) -> tuple[Tensor, Tensor, Tensor]:
            chosen, rejected = plain_logps(model, both).chunk(2)
            return chosen, rejected, plain_logps(model, alone)

        def run() -> Tensor:
            ours = logps(policy)
            with torch.no_grad():
                theirs = logps(before)
            chosen, rejected, cropped = (
                BETA * (one - other) for one, other in zip(ours, theirs, strict=True)
            )
            terms = chosen - rejected, chosen - cropped, chosen
            loss = -torch.stack([F.logsigmoid(one) for one in terms]).sum(0).mean()
            loss.backward()
            return loss.detach()

        positions = both.input_ids.numel() + alone.input_ids.numel()
        return Step(run, policy, positions)


def all_steps(made: Made) -> dict[str, Callable[[], Step]]:
    """Return what makes every method's step, DPO's first.

    mDPO's also with the crops drawn anew, DPO's with a reference in the step, and CHiP's in the
    memory that DPO's takes.
    """
    names = ("dpo", *sorted({*BUILTIN} - {"dpo"}))
    return {
        **{name: partial(made.step, name, {}) for name in names},
        "mdpo, crops drawn anew": lambda: made.step("mdpo", load_variant("mdpo", "released")),
        AUTHORS: made.as_its_authors,
        "dpo, its reference in every step": partial(made.step, "dpo", {}, live=True),
        f"chip, {RUN_AGAIN} of {SIZE.shape.layers} layers run again": partial(
            made.step, "chip", {}, RUN_AGAIN
        ),
    }


def load_variant(method: str, variant: str) -> dict[str, Any]:
    """Return the values of a variant's method section."""
    from harness.settings.resolve import resolve

    return dict(resolve(method, "tiny", variant).spec.config)


def measure(size: Size, repeats: int, only: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Count every step once and time all by turns; with `only`, DPO's and those."""
    with tempfile.TemporaryDirectory() as folder:
        made = Made(Setting(size), MadeImages(size.shape), Path(folder))
        steps = {
            name: make()
            for name, make in all_steps(made).items()
            if not only or name in only | {"dpo"}
        }
        counts = {name: counted(step.run, step.trained) for name, step in steps.items()}
        seconds = by_turns(steps, repeats)
    dpo = counts["dpo"]
    found: dict[str, Any] = {
        "pairs": size.pairs,
        "repeats": repeats,
        "steps": {
            name: {
                **spread("cpu_seconds", seconds[name]),
                **ratio(seconds[name], seconds["dpo"]),
                "positions": step.positions,
                "gflop": counts[name].flops / 1e9,
                "work_over_dpo": counts[name].flops / dpo.flops,
                "peak_over_dpo": counts[name].peak_bytes / dpo.peak_bytes,
            }
            for name, step in steps.items()
        },
    }
    if {AUTHORS, "mdpo"} <= seconds.keys():
        found["authors_over_mdpo"] = ratio(seconds[AUTHORS], seconds["mdpo"])
    return found


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table("step", "CPU s", "over dpo", "least", "most", "work", "peak", "positions")
    for name, one in found["steps"].items():
        table.add_row(
            name,
            f"{one['median_cpu_seconds']:.2f}",
            *(f"{one[f'{kind}_ratio']:.2f}" for kind in ("median", "least", "most")),
            f"{one['work_over_dpo']:.2f}",
            f"{one['peak_over_dpo']:.2f}",
            str(one["positions"]),
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="a step beside DPO's; put into the file's others",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(SIZE, given.repeats, frozenset(given.only))
    found |= {"torch": torch.__version__, "machine": platform.machine(), "threads": 1}
    show(found, Console())
    if given.out:
        if given.only:
            kept = json.loads(given.out.read_text("utf-8"))
            new = {name: one for name, one in found["steps"].items() if name in given.only}
            found = {**kept, "steps": {**kept["steps"], **new}}
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
