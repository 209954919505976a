"""A small open_clip model of the tiny world: which sentence fits which image."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from harness.console import track
from harness.world.config import WorldConfig
from harness.world.draw import CELL, SIDE, draw
from harness.world.language import aside, sentence
from harness.world.scenes import Scene

CONTEXT = 16
"""Tokens of one sentence."""
MEAN = (0.5, 0.5, 0.5)


def build_clip(folder: Path, scenes: Sequence[Scene], config: WorldConfig) -> None:
    """Train on true sentences against those of the other images, and save as open_clip does."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(config.seed)
    rng = np.random.default_rng([config.seed, 3])
    model_config = _model_config(config.clip_width)
    model = open_clip.CLIP(**model_config)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    pixels = _pixels(scenes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05, fused=True)
    with track("open_clip model", config.clip_steps) as progress:
        for step in range(config.clip_steps):
            rate = min((step + 1) / 20, 1.0) * (1 - step / config.clip_steps)
            optimizer.param_groups[0]["lr"] = 2e-3 * rate
            rows = rng.integers(0, len(scenes), config.clip_batch).tolist()
            texts = tokenizer([_true_sentence(scenes[row], rng) for row in rows])
            image, text, scale = model(pixels[rows], texts)
            logits = scale * image @ text.T
            own = torch.arange(len(rows))
            loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.advance(note=f"loss {loss.item():.3f}")
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    described = {
        "model_cfg": model_config,
        "preprocess_cfg": {"mean": MEAN, "std": MEAN, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2))


def _model_config(width: int) -> dict[str, Any]:
    return {
        "embed_dim": width,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": CELL,
            "width": width,
            "layers": 2,
            "head_width": 16,
            "mlp_ratio": 2.0,
            # An image is the sum of its patches: what is there shows in the mean of them.
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": 49408,
            "width": width,
            "heads": 4,
            "layers": 2,
            "mlp_ratio": 2.0,
        },
    }


def _pixels(scenes: Sequence[Scene]) -> torch.Tensor:
    images = np.stack([np.asarray(draw(scene)) for scene in scenes])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _true_sentence(scene: Scene, rng: np.random.Generator) -> str:
    thing = scene.things[int(rng.integers(len(scene.things)))]
    return aside(thing.name) if rng.random() < 0.5 else sentence(thing)
