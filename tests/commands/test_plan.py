"""`plan` as a process: everything before anything is spent, quickly, and no run that cannot fit."""

import os
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

from harness.costs.devices import gpus

SECONDS = 6.0
"""Loose: a plan takes about one second of a core; importing torch alone takes up to three."""


class Plan(NamedTuple):
    code: int
    out: str
    err: str
    seconds: float


def plan(*options: str, size: str = "7b", devices: str | None = "4xA100-80GB") -> Plan:
    command = [sys.executable, "-m", "harness", "plan", "--method", "dama", "--size", size]
    command += ["--devices", devices] if devices else []
    environment = {key: os.environ[key] for key in os.environ if key != "OPENAI_API_KEY"}
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    took = time.perf_counter() - started
    return Plan(done.returncode, " ".join(done.stdout.split()), done.stderr, took)


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_the_whole_plan_is_printed_at_once(size: str):
    found = plan(size=size)
    assert (found.code, found.err) == (0, "")
    assert found.seconds < SECONDS
    for part in (
        "fits",
        "optimizer: float32 weights and two moments",
        "activations without packing",
        "22,000 pairs, 4 epochs",
        "at 50% of 312 TFLOP/s per device (assumed)",
        "reference pass",
        "checkpoints",
        "judge calls",
        "missing here",
        "OPENAI_API_KEY is not set",
        "open questions",
    ):
        assert part in found.out


@pytest.mark.skipif(bool(gpus()), reason="plans for the GPUs of this machine")
def test_without_a_gpu_the_published_ones_are_planned_for():
    """A dry run is of this machine, and says that it cannot start here."""
    bare = plan(devices=None)
    assert (bare.code, bare.out) == (0, plan().out)
    assert "no GPU here: planned for 4xA100-80GB" in bare.err
    command = [sys.executable, "-m", "harness", "reproduce", "--method", "dama", "--size", "7b"]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False)
    assert dry.returncode == 1
    assert "no GPU" in dry.stderr


def test_a_plan_does_not_import_torch():
    code = (
        "import sys; sys.argv = ['harness', 'plan', '--method', 'dama', '--size', '7b', "
        "'--devices', '4xA100-80GB']\n"
        "from harness.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_setting_that_does_not_fit_is_refused_with_one_that_does():
    found = plan(devices="1xRTX4090-24GB")
    assert found.code == 1
    assert "7b on 1xRTX4090-24GB" in found.err
    assert "it would fit with --set training.offload=optimizer" in found.err
    assert "does not fit" in found.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("training.zero_stage=2",), "2, none"),
        (("training.offload=optimizer",), "3, optimizer"),
        (("training.offload=optimizer",), "CPU memory, offloaded"),
        (("training.pairs_per_pass=1",), "4 passes, each forward twice, of 1 pairs in 884"),
        (("training.gradient_checkpointing=auto",), "0 of 32 decoder layers: all activations fit"),
        (("training.gradient_checkpointing=true",), "32 of 32 decoder layers"),
        (("model.lora_rank=16",), "fits"),
        (("data.expected_pairs=21000",), "21,000 pairs, 4 epochs"),
        (("data.where={}", "data.expected_pairs=null"), "83,132 pairs, 4 epochs"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_setting_of_the_machine_is_planned(options: tuple[str, ...], told: str):
    found = plan(*(word for option in options for word in ("--set", option)))
    assert (found.code, found.err) == (0, "")
    assert told in found.out


def test_a_typo_in_a_device_gets_the_nearest_name():
    found = plan(devices="4xA10-80GB")
    assert found.code == 1
    assert "Did you mean 'A100-80GB'?" in found.err


def test_a_batch_that_devices_cannot_share_is_a_problem_anywhere():
    found = plan(devices="3xA100-80GB")
    assert found.code == 1
    assert "16 is not a multiple of the 3 devices" in found.err


def test_a_device_without_bfloat16_is_told():
    found = plan(devices="8xV100-32GB")
    assert found.code == 1
    assert "8xV100-32GB cannot compute in bfloat16" in found.err


def test_a_value_of_the_method_is_checked_although_it_takes_torch():
    found = plan("--set", "method.beta=-1")
    assert found.code == 1
    assert "method.beta" in found.err


def test_the_judge_of_a_plan_can_be_another():
    found = plan("--judge", "local:Qwen/Qwen2.5-32B-Instruct")
    assert (found.code, found.err) == (0, "")
    assert "about 80.0 GB of memory (64.0 GB" in found.out
    assert "OPENAI_API_KEY" not in found.out
