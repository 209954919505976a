"""What costs least comes first among the settings that fit."""

import pytest

from harness.costs.devices import parse_devices
from harness.costs.fit import as_asked, choose
from harness.costs.load import Load
from harness.costs.memory import Setting
from harness.costs.shapes import LLAVA_7B, LLAVA_13B, Shape
from harness.settings.spec import TrainingSpec


def chosen(shape: Shape, devices: str, **changes: object) -> dict[str, object] | None:
    kind = parse_devices(devices)
    training = TrainingSpec.model_validate(
        {"learning_rate": 1e-6, "warmup_ratio": 0, "epochs": 1, "batch_pairs": 16}
        | {"devices": kind.count, "zero_stage": 2}
        | changes
    )
    found = choose(shape, Setting(training), Load(), kind.memory_bytes)
    if found is None:
        return None
    assert found.memory.fits(kind.memory_bytes)
    return dict(found.changes)


@pytest.mark.parametrize(
    ("shape", "devices", "asked", "changes"),
    [
        (LLAVA_7B, "4xA100-80GB", {}, {}),
        (LLAVA_13B, "4xA100-80GB", {"zero_stage": 3}, {"gradient_checkpointing": "auto"}),
        (
            LLAVA_13B,
            "4xA100-80GB",
            {},
            {"zero_stage": 3, "gradient_checkpointing": "auto"},
        ),
        (LLAVA_7B, "4xA100-40GB", {}, {"zero_stage": 3, "gradient_checkpointing": "auto"}),
    ],
)
def test_the_cheapest_change_is_taken(
    shape: Shape, devices: str, asked: dict[str, object], changes: dict[str, object] | None
):
    assert chosen(shape, devices, **asked) == changes


def test_one_small_card_needs_the_optimizer_in_cpu_memory():
    """Weights alone take 12.6 GiB of 24; gradients and optimizer, 14 bytes a weight, do not fit."""
    found = chosen(LLAVA_7B, "1xRTX4090-24GB")
    assert found is not None
    assert found["offload"] == "optimizer"


def test_where_nothing_fits_nothing_is_chosen():
    training = TrainingSpec(learning_rate=1e-6, warmup_ratio=0, epochs=1, batch_pairs=16)
    assert choose(LLAVA_7B, Setting(training), Load(), 1 << 30) is None
    on_cpu = Setting(training, on_cpu=True)
    assert choose(LLAVA_7B, on_cpu, Load(), 24 << 30) is None


def test_auto_that_cannot_fit_is_reported_as_all_layers():
    training = TrainingSpec(
        learning_rate=1e-6,
        warmup_ratio=0,
        epochs=1,
        batch_pairs=16,
        devices=4,
        gradient_checkpointing="auto",
    )
    found = as_asked(LLAVA_13B, Setting(training), Load(), 20 << 30)
    assert found.checkpointed == 40
    assert not found.memory.fits(20 << 30)
