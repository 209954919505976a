"""A model that is another one than before, without training it."""

import torch
from safetensors.torch import load_file, save_file


def change(model, seed=1):
    """Move the weights of a model's language head, as a training does."""
    file = model / "model.safetensors"
    weights = load_file(file)
    (head,) = [name for name in weights if name.endswith("lm_head.weight")]
    noise = torch.randn(weights[head].shape, generator=torch.Generator().manual_seed(seed))
    weights[head] = weights[head] + 0.05 * noise
    save_file(weights, file, metadata={"format": "pt"})
