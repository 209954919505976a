"""Decoder layers that are run again keep no random state, and need none."""

import pytest
import tiny_qwen
import torch
import world_fixture
from made_pairs import batch_of, square_rows

from harness.data.templates import TEMPLATES
from harness.models.base import load_base
from harness.models.lora import Lora
from harness.training.fitting import checkpoint_layers
from harness.training.step.policy import Policy, VisionTower

FAMILIES = {"vicuna_v1": world_fixture.write_base, "qwen2_5_vl": tiny_qwen.write_qwen}
"""By the template of their pairs."""


@pytest.fixture(scope="module", params=FAMILIES)
def written(request, tmp_path_factory):
    write = FAMILIES[request.param]
    return write(tmp_path_factory.mktemp("model") / "base"), TEMPLATES[request.param]


def policy_and_step(written, lora=None):
    """Return a policy in training mode, and what runs it forward and backward once."""
    folder, template = written
    base = load_base(folder, torch.float32)
    tokens = batch_of(base, square_rows(2), template)
    policy = Policy(base.model, lora).train()
    features = VisionTower(base.model, torch.device("cpu")).features(tokens.images)
    return policy, lambda: torch.cat(policy(tokens, features)[:2]).sum().backward()


@pytest.mark.parametrize("lora", [None, Lora(rank=4, alpha=6.0)], ids=["whole", "lora"])
def test_no_decoder_draws_random_numbers_in_training(written, lora):
    """Nor where the model's configuration names a dropout, which the packed step leaves out."""
    policy, step = policy_and_step(written, lora)
    for layer in policy.language_model.layers:
        layer.self_attn.attention_dropout = 0.5
    before = torch.get_rng_state()
    step()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_layer_that_is_run_again_keeps_no_random_state(written, reentrant, monkeypatch):
    policy, step = policy_and_step(written)
    layers = policy.language_model.layers
    checkpoint_layers(policy.language_model, len(layers), reentrant)
    runs, kept, state = [], [], torch.get_rng_state
    layers[0].mlp.register_forward_pre_hook(lambda *_: runs.append(1))
    monkeypatch.setattr(torch, "get_rng_state", lambda: kept.append(1) or state())
    step()
    assert (len(runs), len(kept)) == (2, 0)
