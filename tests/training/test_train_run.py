"""Whole training runs in worker processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from processes import losses, numbers, workers
from safetensors.torch import load_file

from harness.errors import Interrupted, TrainingError
from harness.training.launch import train
from harness.training.metrics import read_rows
from harness.training.process import ERROR_FILE
from harness.training.watch import DIVERGENCE_FILE

pytestmark = pytest.mark.processes

STEPS = list(range(1, 21))
BY_COLUMN = [
    ("by column on one", 1, None),
    ("by column on two", 2, None),
    ("by column stopped", 2, 8),
    ("by column stopped", 2, None),
]
"""Names of runs, their processes, and after how many steps they are stopped."""


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory):
    """One for these runs alone: what is kept of the reference is counted."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def runs(make_run):
    """Runs by name: on one rank and on two, with several ZeRO stages, whole and interrupted."""
    made = {}
    plans = {1: [], 2: []}

    def add(name, ranks, method="dama", stop=None, **training):
        if name not in made:
            made[name] = make_run(method, training=training)[0]
            made[name].logs.mkdir()
        plans[ranks].append((made[name], stop))

    for method in ("dpo", "dama"):
        add(f"{method} on one", 1, method)
    add("dpo on two", 2, "dpo")
    for stage in (0, 2, 3):
        # Recomputed activations must not change a number: one of the stages runs with them.
        choice = {"zero_stage": stage, "gradient_checkpointing": stage == 3}
        add(f"dama stage {stage}", 2, **choice)
        if stage > 0:
            add(f"dama stopped {stage}", 2, stop=8, save_every=5, **choice)
            add(f"dama stopped {stage}", 2, save_every=5, **choice)
    add("bfloat16", 2, "dpo", precision="bfloat16", zero_stage=1, max_grad_norm=1.0)
    for ranks in (1, 2):
        name = f"by image on {ranks}"
        made[name] = make_run("dpo", data={"order": "by_image"})[0]
        made[name].logs.mkdir()
        add(name, ranks)
    for name, ranks, stop in BY_COLUMN:
        if name not in made:
            made[name] = make_run(
                "da_dpo", data={"order": "by_column"}, training={"save_every": 5, "devices": ranks}
            )[0]
            made[name].logs.mkdir()
        plans[ranks].append((made[name], stop))
    for ranks, plan in plans.items():
        workers(plan, ranks)
    return made


@pytest.mark.parametrize("method", ["dpo", "dama"])
def test_two_devices_give_the_losses_of_one(runs, method):
    two = runs["dpo on two" if method == "dpo" else "dama stage 2"]
    assert losses(two) == pytest.approx(losses(runs[f"{method} on one"]), abs=1e-4)


def test_by_image_two_devices_give_the_losses_of_one_over_fewer_positions(runs):
    """Every image has two pairs: a batch of four has two, on two devices each has one."""
    one, two = (runs[f"by image on {ranks}"] for ranks in (1, 2))
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    assert losses(one)[1:] != losses(runs["dpo on one"])[1:]
    for by_image, plain in ((one, "dpo on one"), (two, "dpo on two")):
        assert positions(by_image) < positions(runs[plain])


def test_by_column_a_step_takes_pairs_that_follow_one_another(runs, parquet):
    """Five batches of four: the logged weight 1 + |clip_gap| is that of one of them, each once."""
    ordered = sorted(pq.read_table(parquet)["clip_gap"].to_pylist())
    batches = [1 + sum(map(abs, ordered[i : i + 4])) / 4 for i in range(0, 20, 4)]
    weights = [row["clip_weight"] for row in numbers(runs["by column on one"])]
    epochs = [weights[i : i + 5] for i in range(0, 20, 5)]
    for epoch in epochs:
        assert sorted(epoch) == pytest.approx(sorted(batches), rel=1e-5)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_by_column_two_devices_and_a_resumed_run_take_the_same_steps(runs):
    """Stopped after 8 steps, in the second of four epochs, with a checkpoint at 5."""
    one, two = (runs[f"by column on {count}"] for count in ("one", "two"))
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    assert numbers(runs["by column stopped"]) == numbers(two)


def positions(run):
    """Return how many the steps have run together."""
    rows = read_rows(run.metrics)
    return round(sum(row["tokens_per_second"] * row["seconds"] for row in rows))


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_two_devices_log_the_log_probabilities_of_one(runs, side):
    one, two = (
        [row[f"logps/{side}"] for row in numbers(runs[name])]
        for name in ("dpo on one", "dpo on two")
    )
    assert two == pytest.approx(one, rel=1e-4)
    assert max(one) < 0


@pytest.mark.parametrize("stage", [0, 3])
def test_zero_stages_give_the_same_losses(runs, stage):
    expected = losses(runs["dama stage 2"])
    assert losses(runs[f"dama stage {stage}"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("stage", [2, 3])
def test_a_resumed_run_repeats_no_step_and_has_identical_numbers(runs, stage):
    """Stopped after 8 steps with a checkpoint at 5; the method's state is part of it."""
    assert numbers(runs[f"dama stopped {stage}"]) == numbers(runs[f"dama stage {stage}"])


def test_bfloat16_trains(runs):
    found = losses(runs["bfloat16"])
    assert found[0] == pytest.approx(0.6931, abs=0.05)
    assert found[-1] < found[0]


def test_policy_starts_at_the_reference(runs):
    """Every reward gap is zero, so the loss is log 2, up to the rounding of other batches."""
    assert losses(runs["dpo on one"])[0] == pytest.approx(0.693147, abs=1e-4)


def test_the_model_folder_holds_what_was_trained_and_the_frozen_tower(runs, base):
    import transformers

    before = transformers.LlavaForConditionalGeneration.from_pretrained(base).state_dict()
    folder = runs["dama stage 3"].model
    after = transformers.LlavaForConditionalGeneration.from_pretrained(folder).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any("vision_tower" in name for name in changed)
    assert any("multi_modal_projector" in name for name in changed)
    assert "lm_head.weight" in changed
    transformers.AutoProcessor.from_pretrained(folder)
    assert load_file(folder / "model.safetensors")


def test_whoever_the_umask_lets_in_can_read_what_runs_leave(runs, cache):
    umask = os.umask(0o077)
    os.umask(umask)
    wanted = 0o666 & ~umask
    folders = (runs["dama stage 3"].path, cache)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    assert [file for file in files if file.stat().st_mode & 0o666 != wanted] == []


def test_reference_logps_are_computed_once_for_all_methods(runs, cache):
    """One file for float32 and one for bfloat16."""
    assert len(list((cache / "reference").glob("*/shard-*.safetensors"))) == 2
    assert not list((cache / "reference").glob("*/*.partial"))


def test_kill_minus_nine_and_again_gives_the_same_numbers(runs, make_run):
    """The worker is killed in the middle; the second call goes on from the checkpoint at 5."""
    run, spec = make_run("dama", training={"save_every": 5})
    killer = threading.Thread(target=kill_worker_after, args=(run, 7))
    killer.start()
    with pytest.raises(TrainingError, match=r"exit code -9(.|\n)*train.log"):
        train(run, spec)
    killer.join()
    assert not run.model.exists()
    train(run, spec)
    assert numbers(run) == numbers(runs["dama on one"])
    written = run.model.stat().st_mtime_ns
    train(run, spec)
    assert run.model.stat().st_mtime_ns == written


MAIN = """
import sys
from pathlib import Path
import harness.__main__, harness.commands.app
from harness.runs.rundir import RunDir
from harness.training.launch import train
run = RunDir(Path(sys.argv[1]))
harness.commands.app.app = lambda **_: train(run, run.read_spec())
harness.__main__.main()
"""
"""The program with nothing but the training of one run as its command."""


@pytest.mark.parametrize(
    ("number", "devices", "code"),
    [(signal.SIGTERM, 1, 0), (signal.SIGTERM, 2, 0), (signal.SIGINT, 1, 130)],
)
def test_a_stopped_run_saves_its_last_step_and_goes_on(runs, make_run, number, devices, code):
    """By a scheduler's SIGTERM and by Ctrl-C; there are no other checkpoints."""
    run, _ = make_run("dama", training={"devices": devices})
    process = start_main(run)
    wait_for_rows(run, 4)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == code, said
    assert "The same command continues." in said
    done = len(read_rows(run.metrics))
    assert [path.name for path in run.checkpoints.iterdir()] == [f"step-{done:08d}"]
    assert 4 <= done < len(STEPS)
    process = start_main(run)
    assert process.communicate()[1].count("Stopp") == 0
    assert process.returncode == 0
    whole = runs["dama on one" if devices == 1 else "dama stage 2"]
    assert numbers(run) == numbers(whole)


def test_a_worker_that_a_scheduler_signals_itself_saves_and_ends(runs, make_run):
    run, spec = make_run("dama")
    killer = threading.Thread(target=kill_worker_after, args=(run, 4, signal.SIGTERM))
    killer.start()
    with pytest.raises(Interrupted, match=r"asked to stop\. The same command continues"):
        train(run, spec)
    killer.join()
    train(run, spec)
    assert numbers(run) == numbers(runs["dama on one"])


def start_main(run):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, str(run.path)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs these tests in the background has told all below to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_rows(run, count):
    while len(read_rows(run.metrics)) < count:
        time.sleep(0.01)


def kill_worker_after(run, step, number=signal.SIGKILL):
    """Signal the process whose command line names the run folder."""
    wait_for_rows(run, step)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(run.path).encode() in words:
            os.kill(int(folder.name), number)


def test_cut_responses_are_told_with_their_rows(make_run, capfd):
    """Prompts have about 114 tokens with their image, responses up to 40.

    Of some pairs the cut leaves two equal responses, which nobody can train on.
    """
    cut = {"max_length": 140, "max_bad_rows": 6}
    run, spec = make_run("dpo", data=cut, training={"epochs": 1})
    train(run, spec)
    rows = json.loads((run.path / "cut-responses.json").read_text())
    assert (
        f"{len(rows)} pairs have responses that were cut at data.max_length=140"
        in capfd.readouterr().err
    )
    assert 0 < len(rows) < 20


@pytest.mark.parametrize("method", ["dpo", "dama"])
def test_a_run_that_diverges_names_its_pairs_and_keeps_the_state_before(make_run, method):
    """The first step has rate zero, the second throws the weights away, the third is no number."""
    run, spec = make_run(method, training={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"Step \d+: loss .* The run diverged: lower"):
        train(run, spec)
    assert (run.logs / ERROR_FILE).exists()
    said = json.loads((run.path / DIVERGENCE_FILE).read_text())
    assert len(said["pairs"]) == len(said["rows"]) == 4
    (saved,) = run.checkpoints.iterdir()
    assert saved.name == f"step-{said['step'] - 1:08d}"
    for file in ("weights", "method"):
        kept = load_file(saved / f"{file}.safetensors")
        assert all(values.isfinite().all() for values in kept.values())
    assert [row["step"] for row in read_rows(run.metrics)] == list(range(1, said["step"]))


def test_a_gradient_over_its_limit_ends_the_run_after_its_step(runs, make_run):
    """Its update was made, so its row stands there, and the run may go on behind it."""
    limits = {"divergence_norm": 1e-9, "divergence_steps": 3, "save_every": 100}
    run, spec = make_run("dama", training=limits)
    with pytest.raises(TrainingError, match=r"Step 3: .* for 3 steps.*the state after it is saved"):
        train(run, spec)
    assert [saved.name for saved in run.checkpoints.iterdir()] == ["step-00000003"]
    patient = spec.training.model_copy(update={"divergence_norm": None})
    spec = spec.model_copy(update={"training": patient})
    run.adopt(spec)
    train(run, spec)
    assert numbers(run) == numbers(runs["dama on one"])
