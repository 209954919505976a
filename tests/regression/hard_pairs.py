"""What each method learns of obvious, plain, subtle and mislabelled pairs.

    python tests/regression/hard_pairs.py OUT

OUT is the folder that holds runs/ of tiny trainings, as `--out` names it. The table shows per
method the mean gap between the log-probabilities of the true response and of the wrong one, over
that of the base model, in nats per pair, and the share of pairs in which it has grown; means over
runs, ± their 95 % interval. In mislabelled pairs the true response is the rejected one.
"""

import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
import torch
from PIL import Image
from scipy import stats
from transformers import AutoProcessor, LlavaForConditionalGeneration

from harness.data.templates import IMAGE, TEMPLATES
from harness.identity.labels import label_of
from harness.runs.rundir import RunDir
from harness.world.build import ensure_world
from harness.world.config import WorldConfig
from harness.world.scenes import CELLS

BATCH = 128
Gaps = dict[str, list[float]]


def kinds(rows: pd.DataFrame) -> list[str]:
    """Say of each pair how hard it is."""
    told = [json.loads(text) for text in rows["origin_split"]]
    return ["mislabelled" if one["mislabelled"] == "yes" else one["hardness"] for one in told]


def encoded(processor: Any, question: str, response: str) -> tuple[list[int], int]:
    """Return the ids of a question with its response, and how many are the response's."""
    tokenizer = processor.tokenizer
    prompt = TEMPLATES["vicuna_v1"].prompt(question).replace(IMAGE, IMAGE * CELLS)
    asked = [tokenizer.bos_token_id, *tokenizer.encode(prompt, add_special_tokens=False)]
    said = tokenizer.encode(f" {response}", add_special_tokens=False)
    said = [*said, tokenizer.eos_token_id]
    return asked + said, len(said)


@torch.no_grad()
def logps(model: Any, processor: Any, rows: pd.DataFrame, side: str) -> Iterator[float]:
    """Yield the log-probability of a response of each pair."""
    for first in range(0, len(rows), BATCH):
        part = rows.iloc[first : first + BATCH]
        turns = [encoded(processor, row.question, getattr(row, side)) for row in part.itertuples()]
        width = max(len(ids) for ids, _ in turns)
        padding = processor.tokenizer.pad_token_id
        ids = torch.tensor([[*one, *[padding] * (width - len(one))] for one, _ in turns])
        images = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in part["image"]]
        pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
        logits = model(input_ids=ids, pixel_values=pixels).logits[:, :-1].log_softmax(-1)
        told = logits.gather(-1, ids[:, 1:, None])[..., 0]
        for values, (one, count) in zip(told, turns, strict=True):
            yield values[len(one) - 1 - count : len(one) - 1].sum().item()


def margins(folder: Path, rows: pd.DataFrame) -> list[float]:
    """Return per pair how much more likely the true response is than the wrong one, in nats."""
    model = LlavaForConditionalGeneration.from_pretrained(folder).float().eval()
    processor = AutoProcessor.from_pretrained(folder)
    chosen, rejected = (logps(model, processor, rows, side) for side in ("chosen", "rejected"))
    swapped = [kind == "mislabelled" for kind in kinds(rows)]
    sides = zip(chosen, rejected, swapped, strict=True)
    return [b - a if turned else a - b for a, b, turned in sides]


def of_world(world: int, runs: Sequence[Path]) -> Iterator[tuple[str, str, float, float]]:
    """Yield method, kind of pair, mean growth of the margin, and share of pairs that grew."""
    place = ensure_world(WorldConfig(seed=world))
    rows = pd.concat(map(pd.read_parquet, sorted((place / "preferences").glob("*.parquet"))))
    before = margins(place / "base", rows)
    for run in runs:
        grown: Gaps = defaultdict(list)
        for kind, old, new in zip(kinds(rows), before, margins(run / "model", rows), strict=True):
            grown[kind].append(new - old)
        for kind, values in grown.items():
            share = mean(value > 0 for value in values)
            yield label_of(RunDir(run).read_spec()), kind, mean(values), 100 * share


def with_interval(values: Sequence[float]) -> str:
    """Show a mean over runs with its 95 % interval."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.2f} ± {half:.2f}"


def main(out: str) -> None:
    """Print the table of all runs of a folder."""
    torch.set_num_threads(1)
    worlds: dict[int, list[Path]] = defaultdict(list)
    for file in sorted((Path(out) / "runs").glob("*/run.yaml")):
        if (file.parent / "model").is_dir():
            worlds[RunDir(file.parent).read_spec().world].append(file.parent)
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for world, runs in worlds.items():
        for method, kind, growth, share in of_world(world, runs):
            found[method, kind].append((growth, share))
    print("method, pairs, runs, growth in nats, share grown in %")  # noqa: T201
    for (method, kind), values in sorted(found.items()):
        growth, share = (with_interval(list(one)) for one in zip(*values, strict=True))
        print(f"{method}, {kind}, {len(values)}, {growth}, {share}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
