"""Measure the training step against the released code's: python tests/perf/step_speed.py.

Both run forward and backward on the same pairs, model and loss, by turns in one process, on a
random LLaVA of middle size with 576 image tokens. Prints median ratios of CPU seconds, and writes
them to results/perf/ when a file is named.
"""

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from plain_step import plain_logps, two_rows
from torch import Tensor
from torch.nn import functional as F

from harness.data.batch import TokenizedPair
from harness.data.collate import Collator, no_segments
from harness.training.policy import Policy, VisionTower

IMAGE_ID = 3
PATCHES = 576
PROMPT, QUESTION, RESPONSE = 35, 25, 125
"""Tokens before the image, after it, and of a response on average, as in the 7b training data."""


def model(vocabulary: int):
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=4,
            image_size=336,
            patch_size=14,
        ),
        text_config=LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=512,
            intermediate_size=1376,
            num_hidden_layers=8,
            num_attention_heads=8,
            max_position_embeddings=2048,
        ),
        image_token_id=IMAGE_ID,
    )
    llava = LlavaForConditionalGeneration(config)
    llava.model.vision_tower.requires_grad_(False)
    return llava


class Images:
    """Made pixels by row."""

    def tensor(self, row: int, _key: str) -> Tensor:
        return torch.randn(3, 336, 336, generator=torch.Generator().manual_seed(row))


def made_pairs(count: int, vocabulary: int) -> list[TokenizedPair]:
    rng = torch.Generator().manual_seed(1)

    def tokens(length: int) -> Tensor:
        return torch.randint(10, vocabulary, (length,), generator=rng, dtype=torch.int32)

    def length() -> int:
        return int(torch.randint(RESPONSE // 2, RESPONSE * 3 // 2, (1,), generator=rng))

    start, image = tokens(PROMPT), torch.full((PATCHES,), IMAGE_ID, dtype=torch.int32)
    return [
        TokenizedPair(
            row=row,
            prompt=torch.cat([start, image, tokens(QUESTION)]),
            chosen=tokens(length()),
            rejected=tokens(length()),
            image_key=str(row),
        )
        for row in range(count)
    ]


def steps(pairs: list[TokenizedPair], vocabulary: int) -> dict[str, Callable[[], Tensor]]:
    """Return the steps to compare by name; each runs forward and backward and returns the loss."""
    released = model(vocabulary)
    ours = copy.deepcopy(released)
    policy, tower = Policy(ours).train(), VisionTower(ours, torch.device("cpu"))
    rows = list(range(len(pairs)))
    collate = Collator(pairs, Images(), no_segments, {}, IMAGE_ID)
    batch = two_rows(pairs, [Images().tensor(row, "") for row in rows], pad_id=0)

    def dpo(chosen: Tensor, rejected: Tensor) -> Tensor:
        loss = -F.logsigmoid(0.1 * (chosen - rejected)).mean()
        loss.backward()
        return loss.detach()

    def packed() -> Tensor:
        tokens = collate(rows)
        logps = policy(tokens, tower.features(tokens.images))
        return dpo(logps.chosen.sum(1), logps.rejected.sum(1))

    def two() -> Tensor:
        logps = plain_logps(released, batch)
        return dpo(*logps.chunk(2))

    def checkpointed(module, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            module.train()
            module.gradient_checkpointing_enable({"use_reentrant": False})
            try:
                return step()
            finally:
                module.gradient_checkpointing_disable()

        return run

    return {
        "ours": packed,
        "ours, checkpointing": checkpointed(policy.language_model, packed),
        "released": two,
        "released, checkpointing": checkpointed(released.model.language_model, two),
    }


def measure(pairs: int, vocabulary: int, repeats: int) -> dict[str, object]:
    runs = steps(made_pairs(pairs, vocabulary), vocabulary)
    losses = {name: float(step()) for name, step in runs.items()}
    spread = max(losses.values()) - min(losses.values())
    if spread > 1e-5:
        raise SystemExit(f"the steps do not compute the same loss: {losses}")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, step in runs.items():
            started = time.process_time()
            step()
            seconds[name].append(time.process_time() - started)
    ours, recomputed = seconds["ours"], seconds["ours, checkpointing"]
    return {
        "pairs": pairs,
        "vocabulary": vocabulary,
        "repeats": repeats,
        "loss": losses["ours"],
        "loss_spread": spread,
        "median_cpu_seconds": {name: statistics.median(found) for name, found in seconds.items()},
        "ratio": {
            "as each is run": ratio(seconds["released, checkpointing"], ours),
            "checkpointing off on both": ratio(seconds["released"], ours),
            "checkpointing on on both": ratio(seconds["released, checkpointing"], recomputed),
        },
    }


def ratio(theirs: list[float], ours: list[float]) -> dict[str, float]:
    """Median of the ratios of neighbouring runs, with their extremes."""
    found = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=32_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = measure(given.pairs, given.vocabulary, given.repeats)
    found |= {"torch": torch.__version__, "machine": platform.machine(), "threads": given.threads}
    text = json.dumps(found, indent=2) + "\n"
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text, "utf-8")
    print(text)  # noqa: T201  # what the script is for


if __name__ == "__main__":
    main()
