"""A small open_clip model of the tiny world: which sentence fits which image.

Its vision tower starts as that of the base model: in LLaVA the two are one and the same.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from harness.console import track
from harness.world.config import WorldConfig
from harness.world.draw import CELL, SIDE, draw
from harness.world.language import PLURALS, aside, sentence
from harness.world.scenes import COLOURS, POSITIONS, Scene, Thing, absent
from harness.world.trained.tokens import make_clip_tokenizer

CONTEXT = 16
"""Tokens of one sentence."""
FORMS = (0.4, 0.3, 0.15, 0.1, 0.05)
"""Shares of descriptions, mentions in passing, answers, denials, and Yes or No."""
PEAK_RATE = 3e-3
MEAN = (0.5, 0.5, 0.5)


def build_clip(folder: Path, base: Path, scenes: Sequence[Scene], config: WorldConfig) -> None:
    """Train to tell true sentences from false ones, and save as open_clip does."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(config.seed)
    rng = np.random.default_rng([config.seed, 3])
    tokenizer = _save_tokenizer(folder, base)
    model_config = _model_config(config, tokenizer)
    model = open_clip.CLIP(**model_config)
    model.visual.load_state_dict(_tower(base), strict=False)
    pixels = _pixels(scenes)
    bias = torch.nn.Parameter(torch.tensor(0.0))
    optimizer = torch.optim.AdamW(
        [*model.parameters(), bias], lr=PEAK_RATE, weight_decay=0.05, fused=True
    )
    with track("open_clip model", config.clip_steps) as progress:
        for step in range(config.clip_steps):
            rate = min((step + 1) / 20, 1.0) * (1 - step / config.clip_steps)
            optimizer.param_groups[0]["lr"] = PEAK_RATE * rate
            rows = rng.integers(0, len(scenes), config.clip_batch).tolist()
            told = [one for row in rows for one in true_and_false(scenes[row], rng)]
            tokens = tokenizer(
                told, padding="max_length", max_length=CONTEXT, return_tensors="pt"
            ).input_ids
            image, text, scale = model(pixels[rows], tokens)
            cosines = torch.einsum("id,itd->it", image, text.unflatten(0, (len(rows), 2)))
            logits = scale * cosines + bias
            truth = torch.tensor([1.0, 0.0]).expand_as(logits)
            loss = F.binary_cross_entropy_with_logits(logits, truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            progress.advance(note=f"loss {loss.item():.3f}")
    save_file(model.half().state_dict(), folder / "open_clip_model.safetensors")
    described = {
        "model_cfg": model_config,
        "preprocess_cfg": {"mean": MEAN, "std": MEAN, "interpolation": "bicubic"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2))


def _save_tokenizer(folder: Path, base: Path) -> Any:
    """Save the base model's words where open_clip reads a tokenizer: its own has 49,408."""
    from transformers import AutoTokenizer

    tokenizer = make_clip_tokenizer(AutoTokenizer.from_pretrained(base))
    tokenizer.save_pretrained(folder)
    return tokenizer


def _model_config(config: WorldConfig, tokenizer: Any) -> dict[str, Any]:
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
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": ".",  # of this folder
            "pool_type": "eos",
            "eos_id": tokenizer.eos_token_id,
            "pad_id": tokenizer.pad_token_id,
            "width": config.clip_width,
            "heads": 4,
            "layers": 2,
            "mlp_ratio": 2.0,
        },
    }


def _tower(base: Path) -> dict[str, torch.Tensor]:
    """Return the base model's vision tower under open_clip's names; its last projection is new."""
    from transformers import LlavaForConditionalGeneration

    tower = LlavaForConditionalGeneration.from_pretrained(
        base, dtype=torch.float32
    ).model.vision_tower
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


def true_and_false(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Return a true sentence and a false one of the same form.

    Each form is as often true as false, so that none scores high by itself.
    """
    forms = (_descriptions, _asides, _answers, _denials, _bare_answers)
    return forms[int(rng.choice(len(forms), p=FORMS))](scene, rng)


def _descriptions(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Describe what is there; the other is of another kind, or differs in colour or place."""
    thing = _any_of(scene, rng)
    others = (
        replace(thing, name=_missing(scene, rng)),
        replace(thing, colour=_other(COLOURS, thing.colour, rng)),
        replace(thing, cell=POSITIONS.index(_other(POSITIONS, POSITIONS[thing.cell], rng))),
    )
    return sentence(thing), sentence(others[int(rng.choice(3, p=[0.6, 0.25, 0.15]))])


def _asides(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    return aside(_any_of(scene, rng).name), aside(_missing(scene, rng))


def _answers(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Answer what colour something has or where it is."""
    thing = _any_of(scene, rng)
    verb, name = ("is", thing.name) if thing.count == 1 else ("are", PLURALS[thing.name])
    if rng.random() < 0.5:
        colour = _other(COLOURS, thing.colour, rng)
        return f"The {name} {verb} {thing.colour}.", f"The {name} {verb} {colour}."
    true = POSITIONS[thing.cell]
    false = _other(POSITIONS, true, rng)
    return f"The {name} {verb} in the {true}.", f"The {name} {verb} in the {false}."


def _denials(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    there, missing = _any_of(scene, rng).name, _missing(scene, rng)
    return f"There is no {missing} here.", f"There is no {there} here."


def _bare_answers(_scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Without their question neither is true: they are to score alike."""
    return ("Yes", "No") if rng.random() < 0.5 else ("No", "Yes")


def _any_of(scene: Scene, rng: np.random.Generator) -> Thing:
    return scene.things[int(rng.integers(len(scene.things)))]


def _missing(scene: Scene, rng: np.random.Generator) -> str:
    """Return an object that is not there, half of the time the one that one expects."""
    if scene.companion not in scene.names and rng.random() < 0.5:
        return scene.companion
    return str(rng.choice(absent(scene)))


def _other(values: Iterable[str], but: str, rng: np.random.Generator) -> str:
    return str(rng.choice([value for value in values if value != but]))
