"""Devices by name, as on the command line and as nvidia-smi calls them."""

import pytest

from harness.costs import devices
from harness.costs.devices import TABLE, local_device, names_devices, parse_devices, recognised
from harness.errors import ConfigError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "count", "name"),
    [
        ("4xA100-80GB", 4, "A100-80GB"),
        ("8 x h100", 8, "H100-80GB"),
        ("2*rtx4090", 2, "RTX4090-24GB"),
        ("A100-40gb", 1, "A100-40GB"),
        ("3xCPU", 3, "CPU"),
    ],
)
def test_count_and_kind_are_read(text: str, count: int, name: str):
    found = parse_devices(text)
    assert (found.count, found.name) == (count, name)
    assert names_devices(text)


def test_an_a100_has_80_gib_and_312_tflops():
    """81,920 MiB as nvidia-smi reports; 312e12 dense bfloat16 operations per second."""
    found = parse_devices("4xA100-80GB")
    assert (found.memory_bytes, found.bf16_flops) == (80 * GIB, 312e12)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.name)
def test_every_name_of_the_table_is_understood(kind: devices.Device):
    assert parse_devices(f"2x{kind.name}").kind == kind


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4xB100-80GB", "Did you mean '[AH]100-80GB'"),
        ("4xA100", "which of A100-40GB, A100-80GB"),
        ("4xbanana", "unknown device 'banana'. Known: A100-40GB"),
        ("0xA100-80GB", "at least one device"),
        ("0", "at least one device"),
        ("", "at least one device"),
        ("x4", "unknown device 'x4'"),
    ],
)
def test_a_typo_gets_the_nearest_name(text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        parse_devices(text)


@pytest.mark.parametrize(
    ("name", "memory_gib", "kind", "flops"),
    [
        ("NVIDIA A100-SXM4-80GB", 80, "A100-80GB", 312e12),
        ("NVIDIA A100-PCIE-40GB", 40, "A100-40GB", 312e12),
        ("NVIDIA H200", 140, "H200-141GB", 989e12),
        ("NVIDIA RTX A6000", 48, "A6000-48GB", 155e12),
        ("NVIDIA GeForce RTX 3090", 24, "RTX3090-24GB", 71e12),
        ("Tesla V100-SXM2-32GB", 32, "V100-32GB", None),
        ("NVIDIA RTX 6000 Ada Generation", 48, "NVIDIA RTX 6000 Ada Generation", None),
    ],
)
def test_a_gpu_is_recognised_and_keeps_the_memory_it_has(
    name: str, memory_gib: int, kind: str, flops: float | None
):
    found = recognised(name, memory_gib * GIB)
    assert (found.name, found.memory_bytes, found.bf16_flops) == (kind, memory_gib * GIB, flops)


def test_a_number_means_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "gpus", lambda: ["NVIDIA H200, 143771 MiB"] * 4)
    assert not names_devices("4")
    assert parse_devices("4").kind == local_device()
    assert str(parse_devices("4")) == "4xH200-141GB"


def test_without_a_gpu_processes_share_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "gpus", list)
    alone, two = parse_devices("1"), parse_devices("2")
    assert alone.name == "CPU"
    assert two.memory_bytes == alone.memory_bytes // 2
