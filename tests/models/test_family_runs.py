"""Whole runs of Qwen2.5-VL and of LoRA in worker processes, three steps each."""

import json
import os
import subprocess
import sys

import pytest
import run_workers
import tiny_qwen
import torch
import world_fixture
from safetensors.torch import load_file
from transformers import (
    AutoProcessor,
    LlavaForConditionalGeneration,
    Qwen2_5_VLForConditionalGeneration,
)

from harness.models.lora import TARGETS
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec
from harness.training.metrics import read_rows

pytestmark = pytest.mark.processes

LORA = {"lora_rank": 4, "lora_alpha": 8.0}


def spec_of(base, parquet, model, training):
    return RunSpec.model_validate(
        {
            "method": "dpo",
            "size": "tiny",
            "config": {},
            "model": {"path": str(base), **model},
            "data": {
                "preferences": str(parquet),
                "max_length": 200,
                "hardness": {"clip": "local-dir:none"},
            },
            "training": {
                **{"learning_rate": 1e-3, "warmup_ratio": 0.1, "epochs": 1, "batch_pairs": 4},
                **{"precision": "float32", "zero_stage": 2, "save_every": 100, "devices": 1},
                **training,
            },
            "evaluation": {"benchmarks": [], "data": "none", "judge": "oracle"},
        }
    )


def start(plan, ranks, cache):
    """Train runs one after another in the same processes."""
    file = plan[0][0].path / "plan.json"
    file.write_text(json.dumps([{"run": str(run.path), "stop_after": stop} for run, stop in plan]))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "HARNESS_CACHE": str(cache),
    }
    done = subprocess.run(
        [sys.executable, *launcher, run_workers.__file__, str(file)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {
        "qwen": tiny_qwen.write_qwen(folder / "qwen", tied=True),
        "llava": world_fixture.write_base(folder / "llava"),
    }


@pytest.fixture(scope="module")
def runs(bases, tmp_path_factory):
    """Runs by name; "resumed" ends after two steps with a checkpoint at one, and goes on."""
    root = tmp_path_factory.mktemp("runs")
    parquet = world_fixture.write_rows(root / "train-0.parquet", world_fixture.rows(12))
    qwen = {"template": "qwen2_5_vl"}

    def opened(name, model, **training):
        run = RunDir(root / name)
        run.open(spec_of(bases[name.split()[0]], parquet, model, training))
        run.logs.mkdir()
        return run

    sharded = {"zero_stage": 3, "gradient_checkpointing": True}
    made = {
        "qwen": opened("qwen", qwen),
        "qwen lora": opened("qwen lora", qwen | LORA, **sharded, learning_rate=1e-2),
        "llava lora": opened("llava lora", LORA, learning_rate=1e-2),
        "llava lora resumed": opened(
            "llava lora resumed", LORA, learning_rate=1e-2, save_every=1, keep_checkpoints=2
        ),
    }
    resumed = made["llava lora resumed"]
    one = [(made["qwen"], None), (made["llava lora"], None), (resumed, 2), (resumed, None)]
    start(one, 1, root / "cache")
    start([(made["qwen lora"], None)], 2, root / "cache")
    return made


def losses(run):
    return [row["loss"] for row in read_rows(run.metrics)]


@pytest.mark.parametrize("name", ["qwen", "qwen lora", "llava lora"])
def test_the_policy_starts_at_the_reference_and_learns(runs, name):
    """The first loss is log 2."""
    found = losses(runs[name])
    assert len(found) == 3
    assert found[0] == pytest.approx(0.693147, abs=1e-4)
    assert found[2] < found[0]


def test_the_trained_model_is_one_of_plain_transformers(runs, bases):
    load = Qwen2_5_VLForConditionalGeneration.from_pretrained
    before, after = (load(folder).state_dict() for folder in (bases["qwen"], runs["qwen"].model))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "lm_head.weight" in changed
    assert torch.equal(
        after["lm_head.weight"], after["model.language_model.embed_tokens.weight"]
    ), "the head is still tied to the embedding"
    assert not any("visual" in name for name in changed)
    processor = AutoProcessor.from_pretrained(runs["qwen"].model)
    assert processor.image_token == "<|image_pad|>"


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("qwen lora", Qwen2_5_VLForConditionalGeneration.from_pretrained),
        ("llava lora", LlavaForConditionalGeneration.from_pretrained),
    ],
)
def test_lora_changes_only_the_layers_with_additions_and_the_projector(runs, bases, name, load):
    base = bases[name.split()[0]]
    before, after = (load(folder).state_dict() for folder in (base, runs[name].model))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    layers = {key for key in changed if "language_model" in key}
    assert {key.split(".")[-2] for key in layers} == set(TARGETS)
    assert all("multi_modal_projector" in key for key in changed - layers)
    assert bool(changed - layers) == (name == "llava lora")


def test_a_resumed_lora_run_is_the_same_to_the_last_bit(runs):
    whole, resumed = runs["llava lora"], runs["llava lora resumed"]
    assert losses(resumed) == losses(whole)
    ours, theirs = (load_file(run.model / "model.safetensors") for run in (whole, resumed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
