"""Small batches with many common beginnings, and small language models to run them through."""

import functools

import dense_attention  # noqa: F401 (makes the name packed_dense known)
import torch
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel
from two_row_step import in_own_precision

import harness.training.attention.choose  # noqa: F401 (makes the names of packed attention known)

VOCABULARY = 7


@functools.cache
def language_model(attention):
    """All have the same weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=attention,
        # Large weights: a small random model hardly looks at what stands before.
        initializer_range=0.5,
    )
    return in_own_precision(LlamaModel(config).double())


@st.composite
def batches(draw):
    """Pairs of prompts and responses over few tokens, so that beginnings are often equal."""
    tokens = st.integers(0, VOCABULARY - 1)
    sequences, starts = [], []
    for _ in range(draw(st.integers(1, 4))):
        prompt = draw(st.lists(tokens, min_size=1, max_size=6))
        for _side in range(2):
            sequences.append(prompt + draw(st.lists(tokens, min_size=1, max_size=5)))
            starts.append(len(prompt))
    return sequences, starts


def packed_logps(row, attention="packed_segments", **inputs):
    model = language_model(attention)
    hidden = model(
        row.input_ids[None],
        position_ids=row.position_ids[None],
        use_cache=False,
        **(inputs or {"packed_row": row}),
    ).last_hidden_state[0]
    return logps(hidden, row.predicting, row.targets)


def plain_logps(ids, start):
    hidden = language_model("sdpa")(torch.tensor([ids[:-1]]), use_cache=False).last_hidden_state[0]
    places = torch.arange(start - 1, len(ids) - 1)
    return logps(hidden, places, torch.tensor(ids[start:]))


def logps(hidden, places, targets):
    """Under a head that is the identity on the first hidden dimensions."""
    return -F.cross_entropy(hidden[places, :VOCABULARY], targets, reduction="none")


def gradients(model, values):
    """Of a sum in which every value weighs something else."""
    model.zero_grad()
    (values * torch.linspace(-1, 1, len(values), dtype=values.dtype)).sum().backward()
    return [weight.grad.clone() for weight in model.parameters()]
