"""The 7b architecture in its real widths, with one decoder layer and random weights.

A folder in the Hugging Face format is trained by two processes under ZeRO-3 in bfloat16, three
steps of each method, all of them on the same two pairs. What is consolidated is read back by plain
transformers and answers two questions of every benchmark. All that is small here is the depth: one
of 32 decoder layers and three of 24 vision layers.
"""

import math
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import world_fixture
from full_shape_world import ITEMS, SHAPE, write_base, write_questions
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from harness.costs.shapes import IMAGE_TOKEN
from harness.evaluation.generation.launch import generate
from harness.evaluation.held import Held
from harness.evaluation.judged import judge_answers
from harness.models.sources import content_hash
from harness.runs.rundir import RunDir, run_name
from harness.settings.spec import RunSpec
from harness.training.checkpoints.checkpoint import latest_checkpoint
from harness.training.launch import train
from harness.training.metrics import read_rows
from harness.training.step.wide_products import wide_products

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(900)]

STEPS, PAIRS = 3, 2
BENCHMARKS = ("object_halbench", "amber", "mmhal", "llava_bench", "mm_vet")
MEMORY_GIB = 13
PLACES = {
    "projector.": "model.multi_modal_projector.",
    "language_model.": "model.language_model.",
    "head.": "lm_head.",
}
"""Of a checkpoint's weights in the published model."""


@dataclass
class World:
    """What all methods share."""

    folder: Path
    base: Path
    pairs: Path
    questions: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        # One process per core: more threads would wait for each other.
        patch.setenv("OMP_NUM_THREADS", "1")
        yield World(
            folder,
            write_base(folder / "base"),
            world_fixture.write_rows(folder / "train-0.parquet", world_fixture.rows(PAIRS)),
            write_questions(folder),
        )
    shutil.rmtree(folder)


def open_run(world, method):
    spec = RunSpec.model_validate(
        {
            "method": method,
            "size": "7b",
            "config": {},
            "model": {"path": str(world.base)},
            "data": {
                "preferences": str(world.pairs),
                "max_length": 2048,
                "hardness": {"clip": "local-dir:none"},
            },
            "training": {
                "learning_rate": 1e-5,
                "warmup_ratio": 0.0,
                "epochs": STEPS,
                "batch_pairs": PAIRS,
                "precision": "bfloat16",
                "zero_stage": 3,
                "save_every": STEPS,
                "devices": 2,
            },
            "evaluation": {
                "benchmarks": BENCHMARKS,
                "data": str(world.questions),
                "judge": "oracle",
                "batch_size": 2,
                "max_new_tokens": 4,
            },
        }
    )
    run = RunDir(world.folder / "runs" / run_name(spec))
    run.open(spec)
    return run, spec


class Watcher(threading.Thread):
    """While a run trains: keep the weights of its last checkpoint, and note the memory it takes."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_dir, self.done = run, threading.Event()
        self.weights = run.path / "kept.safetensors"
        self.peak_gib = 0.0

    def run(self):
        while not self.done.wait(0.2):
            self.peak_gib = max(self.peak_gib, self._gib())
            found = latest_checkpoint(self.run_dir.checkpoints)
            if found and not self.weights.exists():
                os.link(found / "weights.safetensors", self.weights)

    def _gib(self):
        """Return what all processes of the run hold and the kernel cannot take back.

        Pages of files that are mapped can be read again; a page of several processes counts once.
        """
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if str(self.run_dir.path).encode() in (folder / "cmdline").read_bytes():
                    held = dict(
                        line.split(":")
                        for line in (folder / "smaps_rollup").read_text().splitlines()[1:]
                    )
                    total += sum(int(held[kind].split()[0]) for kind in ("Pss_Anon", "Pss_Shmem"))
            except OSError:
                continue  # it has just ended
        return total / 2**20


@dataclass
class Trained:
    """A run with its model."""

    world: World
    run: RunDir
    spec: RunSpec
    weights: Path
    """Of the checkpoint after the last step."""
    peak_gib: float


@pytest.fixture(scope="module", params=["dpo", "rlhf_v", "dama"])
def trained(world, request):
    run, spec = open_run(world, request.param)
    watcher = Watcher(run)
    watcher.start()
    try:
        train(run, spec)
    finally:
        watcher.done.set()
        watcher.join()
    yield Trained(world, run, spec, watcher.weights, watcher.peak_gib)
    shutil.rmtree(run.path)  # two gigabytes


def test_three_steps_start_at_the_reference_and_move_away(trained):
    """All steps see the same pairs: the first finds no gap, and each later one a larger gap."""
    rows = read_rows(trained.run.metrics)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(math.isfinite(row["loss"]) and row["gradient_norm"] > 0 for row in rows)
    gaps = [row["reward_gap"] for row in rows]
    assert gaps[0] == pytest.approx(0, abs=1e-3)
    assert gaps[0] < gaps[1] < gaps[2]
    assert trained.peak_gib < MEMORY_GIB


def weights_of(folder):
    """Return a reader of a model's weights by name, from one file or several."""
    readers = [safe_open(file, "pt") for file in sorted(folder.glob("*.safetensors"))]
    return {name: reader for reader in readers for name in reader.keys()}  # noqa: SIM118 (no dict)


def test_all_is_trained_but_the_vision_tower(trained):
    """Norms begin at 1, where bfloat16 has steps of 1/128: three updates of 1e-5 do not show."""
    before, after = weights_of(trained.world.base), weights_of(trained.run.model)
    assert (trained.world.base / "model.safetensors.index.json").is_file()
    assert set(before) == set(after)
    for name in before:
        if "norm" in name and "vision_tower" not in name:
            continue
        same = torch.equal(before[name].get_tensor(name), after[name].get_tensor(name))
        assert same == ("vision_tower" in name), name


def published(name):
    for ours, theirs in PLACES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise AssertionError(name)


def logits(model, processor):
    """Ask about a picture: 576 image tokens and the text around them."""
    side = SHAPE.vision.image
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    asked = processor(
        images=Image.fromarray(pixels),
        text="USER: <image>\nWhat is in the picture, please? ASSISTANT:",
        return_tensors="pt",
    )
    assert (asked["input_ids"] == IMAGE_TOKEN).sum() == SHAPE.image_tokens
    with torch.no_grad(), wide_products(torch.device("cpu"), torch.bfloat16):
        return model(**asked.to(dtype=torch.bfloat16)).logits


def test_plain_transformers_reads_the_weights_that_were_trained(trained):
    """The last checkpoint's weights in the base model give the logits of the folder, bit by bit."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    def load(folder):
        return LlavaForConditionalGeneration.from_pretrained(folder, dtype="auto").eval()

    processor = AutoProcessor.from_pretrained(trained.run.model)
    found = logits(load(trained.run.model), processor)
    other = load(trained.world.base)
    untrained = logits(other, processor)
    given = {published(name): weight for name, weight in load_file(trained.weights).items()}
    left = other.load_state_dict(given, strict=False)
    assert not left.unexpected_keys
    assert all("vision_tower" in name for name in left.missing_keys)
    assert found.shape[-1] == SHAPE.vocabulary
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, logits(other, processor))
    assert not torch.equal(found, untrained)


def test_two_items_of_every_benchmark_are_answered_and_scored(trained):
    """Random weights say nothing sensible: every answer is scored or counted as unscored."""
    run, spec = trained.run, trained.spec
    questions = trained.world.questions
    held = Held(run, content_hash(run.model), spec.model, spec.evaluation)
    files = {name: held.answers_name(name) for name in BENCHMARKS}
    generate(
        run.model, spec.evaluation, spec.model, questions, run.responses,
        run.logs / "generate.log", threads=len(os.sched_getaffinity(0)), files=files,
    )  # fmt: skip
    judge_answers(held)
    cards = held.scorecards()
    assert tuple(cards) == BENCHMARKS
    for name, card in cards.items():
        answers = held.responses(name).read_text().splitlines()
        assert len(answers) == card.counts["samples"] == ITEMS
        assert card.counts["scored"] + card.counts["unscored"] == ITEMS
        # Descriptions that name no object have no rate of invented ones.
        assert card.official or name == "object_halbench"
        assert (held.judged(name) / "scorecard.json").is_file()
