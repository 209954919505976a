"""A small open_clip model of the tiny world: which sentence fits which image.

Its vision tower starts as that of the base model: in LLaVA the two are one and the same.
"""

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
from harness.world.scenes import Scene, absent

CONTEXT = 16
"""Tokens of one sentence."""
PEAK_RATE = 3e-3
MEAN = (0.5, 0.5, 0.5)


def build_clip(folder: Path, base: Path, scenes: Sequence[Scene], config: WorldConfig) -> None:
    """Train to tell true sentences from false ones, and save as open_clip does."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(config.seed)
    rng = np.random.default_rng([config.seed, 3])
    model_config = _model_config(config)
    model = open_clip.CLIP(**model_config)
    model.visual.load_state_dict(_tower(base), strict=False)
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    pixels = _pixels(scenes)
    facts = [[sentence(thing) for thing in scene.things] for scene in scenes]
    # Sentences of either form are as often true as false, so that no form scores high by itself.
    bias = torch.nn.Parameter(torch.tensor(0.0))
    optimizer = torch.optim.AdamW(
        [*model.parameters(), bias], lr=PEAK_RATE, weight_decay=0.05, fused=True
    )
    with track("open_clip model", config.clip_steps) as progress:
        for step in range(config.clip_steps):
            rate = min((step + 1) / 20, 1.0) * (1 - step / config.clip_steps)
            optimizer.param_groups[0]["lr"] = PEAK_RATE * rate
            rows = rng.integers(0, len(scenes), config.clip_batch).tolist()
            told = [_true_and_false(scenes[row], facts, row, rng) for row in rows]
            image, text, scale = model(
                pixels[rows], tokenizer([one for two in told for one in two])
            )
            cosines = torch.einsum("id,itd->it", image, text.unflatten(0, (len(rows), 2)))
            logits = scale * cosines + bias
            truth = torch.tensor([1.0, 0.0]).expand_as(logits)
            loss = F.binary_cross_entropy_with_logits(logits, truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            progress.advance(note=f"loss {loss.item():.3f}")
    folder.mkdir(parents=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    described = {
        "model_cfg": model_config,
        "preprocess_cfg": {"mean": MEAN, "std": MEAN, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2))


def _model_config(config: WorldConfig) -> dict[str, Any]:
    return {
        "embed_dim": config.clip_width,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": SIDE,
            "patch_size": CELL,
            "width": config.hidden,
            "layers": config.vision_layers - 1,  # LLaVA reads the last but one
            "head_width": config.hidden // config.heads,
            "mlp_ratio": 2.0,
            # An image is the sum of its patches: what is there shows in the mean of them.
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": 49408,
            "width": config.clip_width,
            "heads": 4,
            "layers": 2,
            "mlp_ratio": 2.0,
        },
    }


def _tower(base: Path) -> dict[str, torch.Tensor]:
    """Return the base model's vision tower under open_clip's names; its last projection is new."""
    from transformers import LlavaForConditionalGeneration

    tower = LlavaForConditionalGeneration.from_pretrained(base).model.vision_tower
    weights = dict(tower.named_parameters())
    renamed = {
        "class_embedding": weights["embeddings.class_embedding"],
        "positional_embedding": weights["embeddings.position_embedding.weight"],
        "conv1.weight": weights["embeddings.patch_embedding.weight"],
        **{f"ln_pre.{kind}": weights[f"pre_layrnorm.{kind}"] for kind in ("weight", "bias")},
        **{f"ln_post.{kind}": weights[f"post_layernorm.{kind}"] for kind in ("weight", "bias")},
    }
    for layer in range(len(tower.encoder.layers) - 1):
        old, new = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            for theirs, ours in _LAYER_NAMES.items():
                renamed[f"{new}.{ours}.{kind}"] = weights[f"{old}.{theirs}.{kind}"]
            parts = [weights[f"{old}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            renamed[f"{new}.attn.in_proj_{kind}"] = torch.cat(parts)
    return {name: weight.detach() for name, weight in renamed.items()}


_LAYER_NAMES = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def _pixels(scenes: Sequence[Scene]) -> torch.Tensor:
    images = np.stack([np.asarray(draw(scene)) for scene in scenes])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _true_and_false(
    scene: Scene, facts: Sequence[Sequence[str]], row: int, rng: np.random.Generator
) -> tuple[str, str]:
    """Return a true sentence and a false one of the same form."""
    if rng.random() < 0.5:
        missing = absent(scene)
        tempting = scene.companion in missing and rng.random() < 0.5
        false = scene.companion if tempting else str(rng.choice(missing))
        return aside(str(rng.choice(sorted(scene.names)))), aside(false)
    while True:
        false = str(rng.choice(list(facts[int(rng.integers(len(facts)))])))
        if false not in facts[row]:
            return str(rng.choice(list(facts[row]))), false
