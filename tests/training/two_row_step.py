"""The plain step to compare with: two padded rows per pair through transformers' own forward."""

import torch
from torch import nn


def in_own_precision(model):
    """Let the norms of a float64 model compute in float64; transformers' round to float32."""
    for module in list(model.modules()):
        for name, norm in module.named_children():
            if type(norm).__name__ == "LlamaRMSNorm":
                exact = nn.RMSNorm(len(norm.weight), eps=norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(module, name, exact)
    return model


def plain_logps(llava, sequences, starts, pixel_values):
    """Return the log-probability of every response token, sequence after sequence.

    Every sequence has its own image and is padded on the right. Its response begins at its start.
    """
    width = max(map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    attended = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        attended[row, : len(sequence)] = 1
    logits = llava(input_ids=ids, attention_mask=attended, pixel_values=pixel_values).logits
    logps = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
    ends = map(len, sequences)
    return torch.cat(
        [row[start - 1 : end - 1] for row, start, end in zip(logps, starts, ends, strict=True)]
    )


def packed_logps(policy, tower, batch):
    """Return the same from the packed step: all chosen responses, then all rejected ones."""
    found = policy(batch, tower.features(batch.images))
    return torch.cat([found.chosen[batch.chosen.mask], found.rejected[batch.rejected.mask]])


def assert_equal_steps(policy, plain, ours, theirs, tolerance):
    """Compare log-probabilities and the gradients of a sum in which every one weighs otherwise.

    `policy` is made of a copy of `plain`. Errors are relative, tensor by tensor.
    """
    assert error(ours, theirs) <= tolerance
    for model, logps in ((policy, ours), (plain, theirs)):
        model.zero_grad()
        (logps * torch.linspace(0.5, 1.5, len(logps), dtype=logps.dtype)).sum().backward()
    gradients = {name: weight.grad for name, weight in plain.named_parameters()}
    names = {
        "projector": "model.multi_modal_projector",
        "language_model": "model.language_model",
        "head": "lm_head",
    }
    for name, weight in policy.named_parameters():
        part, _, rest = name.partition(".")
        wrong = error(weight.grad, gradients[f"{names[part]}.{rest}"])
        assert wrong <= tolerance, f"{name}: {wrong}"


def error(found, right):
    """Relative to the right one, which may be zero."""
    difference = float((found - right).detach().norm())
    return difference / float(right.detach().norm()) if difference else 0.0
