"""Liger's kernels through a whole decoder on a CPU, by Triton's interpreter: prints the errors.

In a process of its own: Triton decides at import whether it interprets.
"""

import json
import os
import sys
from dataclasses import replace

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
import triton.language as tl
from liger_kernel.ops import rms_norm
from triton.runtime import interpreter

from harness.data.rows.collate import Collator, no_segments
from harness.gpu_check.made import TINY, MadeImages, image_id, made_model, made_pairs
from harness.training.fitting import checkpoint_layers
from harness.training.kernels.choose import EVERYWHERE
from harness.training.step.policy import Policy, VisionTower

CPU = torch.device("cpu")
PAIRS, RESPONSE = 1, 3
SHAPE = replace(TINY, hidden=32, intermediate=64, heads=2, key_heads=1)
"""Two queries share a key."""
_convert = interpreter._implicit_cvt


def convert(value):
    """Make tensors of floats, as a compiled kernel has them; the interpreter leaves them out."""
    if isinstance(value, float):
        handle = interpreter.TensorHandle(np.array([value], dtype=np.float32), tl.float32)
        return tl.tensor(handle, tl.float32)
    return _convert(value)


interpreter._implicit_cvt = convert
# The one that Liger takes is compiled code of CUDA's.
rms_norm.rsqrt = lambda x: 1.0 / tl.sqrt(x)


def found(kernels, checkpointed):
    """Return log-probabilities and all gradients of the same made model."""
    model = made_model(SHAPE, CPU, torch.float32)
    policy = Policy(model, None, EVERYWHERE._replace(decoder=kernels)).train()
    if checkpointed:
        checkpoint_layers(policy.language_model, SHAPE.layers, reentrant=False)
    pairs = made_pairs(SHAPE, PAIRS, length=lambda number, rng: RESPONSE)
    collate = Collator(pairs, MadeImages(SHAPE), no_segments, {}, image_id(SHAPE))
    tokens = collate(range(PAIRS))
    logps = policy(tokens, VisionTower(model, CPU).features(tokens.images))
    summed = torch.cat([logps.chosen.sum(1), logps.rejected.sum(1)])
    torch.autograd.backward((summed * torch.tensor([1.0, -0.5])).sum())
    gradients = {n: p.grad for n, p in policy.named_parameters() if p.grad is not None}
    return {"log-probabilities": summed.detach()} | gradients


def main():
    truth, fused = found("torch", checkpointed=False), found("liger", checkpointed=True)
    errors = {name: float((fused[name] - one).norm() / one.norm()) for name, one in truth.items()}
    sys.stdout.write(json.dumps(errors))


if __name__ == "__main__":
    main()
