"""Low-rank additions: what is trained, and what becomes of it."""

import peft
import pytest
import tiny_qwen
import torch
import world_fixture
from made_pairs import batch_of, square_rows
from transformers import LlavaForConditionalGeneration

from harness.data.templates import TEMPLATES
from harness.models.base import load_base, write_model
from harness.models.lora import TARGETS, Lora
from harness.settings.spec import ModelSpec
from harness.training.step.policy import Policy, VisionTower

LORA = Lora(rank=4, alpha=6.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return world_fixture.write_base(tmp_path_factory.mktemp("llava") / "base")


def trained_of(policy):
    return {name: weight for name, weight in policy.named_parameters() if weight.requires_grad}


def test_only_additions_and_projector_are_trained(folder):
    """Two layers of 32: four squares of attention, and three of 32 x 64; rank 4.

    Additions: 2 layers x 4 x (4 x (32 + 32) + 3 x (32 + 64)) = 4352. Projector: 16 x 32 + 32 and
    32 x 32 + 32.
    """
    trained = trained_of(Policy(load_base(folder, torch.float32).model, LORA))
    additions = {name: weight for name, weight in trained.items() if ".lora_" in name}
    assert sum(weight.numel() for weight in additions.values()) == 4352
    rest = {name: weight for name, weight in trained.items() if name not in additions}
    assert all(name.startswith("projector.") for name in rest)
    assert sum(weight.numel() for weight in rest.values()) == 16 * 32 + 32 + 32 * 32 + 32
    assert {name.split(".")[-4] for name in additions} == set(TARGETS)


def test_a_family_without_projector_trains_additions_alone(tmp_path):
    model = load_base(tiny_qwen.write_qwen(tmp_path / "base"), torch.bfloat16).model
    trained = trained_of(Policy(model, LORA))
    assert trained
    assert all(".lora_" in name for name in trained)
    assert {weight.dtype for weight in trained.values()} == {torch.bfloat16}


def logps(folder, lora, weights=None):
    """Return the log-probabilities of four pairs, with other trained weights if given."""
    base = load_base(folder, torch.float32)
    batch = batch_of(base, square_rows(4), TEMPLATES["vicuna_v1"])
    policy, tower = Policy(base.model, lora), VisionTower(base.model, torch.device("cpu"))
    policy.load_state_dict(weights or {}, strict=False)
    with torch.no_grad():
        return torch.cat(policy(batch, tower.features(batch.images))[:2])


def changed_weights(folder):
    """Return trained weights of which none is zero."""
    trained = trained_of(Policy(load_base(folder, torch.float32).model, LORA))
    with torch.no_grad():
        return {name: 0.1 * torch.randn_like(weight) for name, weight in trained.items()}


def test_a_new_policy_is_the_base_model_to_the_last_bit(folder):
    assert torch.equal(logps(folder, LORA), logps(folder, None))


def test_rank_zero_trains_all_weights(folder):
    assert Lora.of(ModelSpec(path="none")) is None
    assert Lora.of(ModelSpec(path="none", lora_rank=4, lora_alpha=6.0)) == LORA


def test_the_written_folder_is_the_base_plus_scaled_products(folder, tmp_path):
    """Weight + 6 / 4 * B A in the layers with additions, the new projector, the rest as it was."""
    trained = changed_weights(folder)
    write_model(folder, trained, torch.float32, tmp_path / "model", LORA)
    before = LlavaForConditionalGeneration.from_pretrained(folder).state_dict()
    after = LlavaForConditionalGeneration.from_pretrained(tmp_path / "model").state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in changed if "language_model" in name} == set(TARGETS)
    assert len(changed) == 2 * len(TARGETS) + 4
    name = "language_model.layers.1.mlp.down_proj"
    up, down = (trained[f"{name}.lora_{factor}.default.weight"] for factor in "BA")
    expected = before[f"model.{name}.weight"] + 1.5 * (up @ down)
    torch.testing.assert_close(after[f"model.{name}.weight"], expected)
    projector = "multi_modal_projector.linear_1.weight"
    assert torch.equal(after[f"model.{projector}"], trained["projector.linear_1.weight"])


def test_the_merged_model_answers_as_the_policy_with_additions(folder, tmp_path):
    trained = changed_weights(folder)
    write_model(folder, trained, torch.float32, tmp_path / "model", LORA)
    ours = logps(folder, LORA, trained)
    torch.testing.assert_close(logps(tmp_path / "model", None), ours, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, logps(folder, None), atol=0.1)


def test_peft_loads_the_adapter_as_the_model_that_is_merged(folder, tmp_path):
    """Of the vision tower, whose layers have the same names, nothing changes."""
    trained, adapter = changed_weights(folder), tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "left by a killed writer").touch()
    write_model(folder, trained, torch.float32, tmp_path / "model", LORA, adapter)
    assert sorted(file.name for file in adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    base = LlavaForConditionalGeneration.from_pretrained(folder)
    loaded = peft.PeftModel.from_pretrained(base, adapter).merge_and_unload().state_dict()
    wanted = LlavaForConditionalGeneration.from_pretrained(tmp_path / "model").state_dict()
    assert loaded.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(loaded[name], weight, rtol=1e-5, atol=1e-6)
