"""The predicted bytes against those of a real forward and backward pass, tensor by tensor."""

import gc
from typing import NamedTuple

import pytest
import torch
from live_bytes import LiveBytes, made_batch, made_model, made_shape

from harness.costs.activations import kept
from harness.costs.load import Load
from harness.costs.memory import Setting, memory
from harness.costs.shapes import Shape
from harness.settings.spec import TrainingSpec
from harness.training.step.policy import Policy, VisionTower

TOLERANCE = 0.1


class Case(NamedTuple):
    hidden: int
    layers: int
    pairs: int
    response: int
    checkpointed: int


CASES = [
    Case(hidden=128, layers=2, pairs=1, response=30, checkpointed=0),
    Case(hidden=128, layers=4, pairs=4, response=30, checkpointed=0),
    Case(hidden=256, layers=3, pairs=2, response=60, checkpointed=0),
    Case(hidden=256, layers=6, pairs=3, response=100, checkpointed=0),
    Case(hidden=384, layers=2, pairs=1, response=40, checkpointed=0),
    Case(hidden=128, layers=4, pairs=4, response=30, checkpointed=4),
    Case(hidden=256, layers=6, pairs=2, response=40, checkpointed=6),
    Case(hidden=256, layers=6, pairs=2, response=40, checkpointed=2),
]


def load_of(case: Case) -> Load:
    return Load(pairs=case.pairs, system=10, image=64, question=12, response=case.response)


def setting_of(case: Case, dtype: torch.dtype) -> Setting:
    """One process that keeps gradients as backward makes them, without an optimizer's step."""
    training = TrainingSpec(
        learning_rate=1e-6,
        warmup_ratio=0,
        epochs=1,
        batch_pairs=case.pairs,
        zero_stage=0,
        attention="segments",
        precision="float32",
    )
    name = "float32" if dtype == torch.float32 else "bfloat16"
    return Setting(training, on_cpu=True).changed(precision=name)


def made_policy(shape: Shape, dtype: torch.dtype, checkpointed: int = 0) -> tuple[Policy, object]:
    model = made_model(shape, dtype)
    policy = Policy(model).train()
    if checkpointed:
        policy.language_model.activation_checkpointing_enable({"use_reentrant": False})
        for i, layer in enumerate(policy.language_model.layers):
            layer.gradient_checkpointing = i < checkpointed
    return policy, model


def size(tensors: object) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_the_peak_of_a_step_is_within_a_tenth(case: Case, dtype: torch.dtype):
    """Activations, gradients and working memory at the fullest moment; float32 without ZeRO."""
    shape = made_shape(case.hidden, case.layers)
    policy, model = made_policy(shape, dtype, case.checkpointed)
    batch = made_batch(shape, load_of(case))
    assert batch.packed.positions == load_of(case).positions
    features = VisionTower(model, torch.device("cpu")).features(batch.images)
    gc.collect()
    with LiveBytes() as counted:
        logps = policy(batch, features)
        (logps.chosen.sum() - logps.rejected.sum()).backward()
    found = memory(shape, setting_of(case, dtype), load_of(case), case.checkpointed)
    predicted = found.gradients + found.activations + found.working
    measured = counted.peak + features.untyped_storage().nbytes()
    assert predicted == pytest.approx(measured, rel=TOLERANCE)
    assert size(weight.grad for weight in policy.parameters()) == size(policy.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_what_forward_keeps_is_within_a_hundredth(dtype: torch.dtype):
    """Every kept tensor is in the formula, so that little is left over."""
    case = CASES[3]
    shape = made_shape(case.hidden, case.layers)
    policy, model = made_policy(shape, dtype)
    batch = made_batch(shape, load_of(case))
    features = VisionTower(model, torch.device("cpu")).features(batch.images)
    with LiveBytes() as counted:
        logps = policy(batch, features)
        live = counted.live + features.untyped_storage().nbytes()
    tensors = kept(shape, load_of(case), dtype.itemsize, "segments")
    layers = tensors.layer * (case.layers - 1) + tensors.last_layer
    predicted = layers + tensors.around + tensors.head
    assert logps.chosen.requires_grad
    assert predicted == pytest.approx(live, rel=0.01)


def test_weights_and_optimizer_are_counted_exactly():
    """AdamW on float32 weights: the weights, their gradients and two moments."""
    case = CASES[0]
    shape = made_shape(case.hidden, case.layers)
    policy, model = made_policy(shape, torch.float32)
    tower = size(VisionTower(model, torch.device("cpu"))._tower.parameters())
    adam = torch.optim.AdamW(policy.parameters())
    for weight in policy.parameters():
        weight.grad = torch.zeros_like(weight)
    adam.step()
    moments = [value for state in adam.state.values() for value in state.values() if value.dim()]
    found = memory(shape, setting_of(case, torch.float32), load_of(case))
    assert found.weights == size(policy.parameters())
    assert found.optimizer == size(moments)
    assert found.vision_tower == tower
