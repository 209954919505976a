"""The command for real, on the CPU with a model of a few thousand weights."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("without_packages.py")
METHODS = ("dpo", "rlhf_v", "dama")
PLAIN = "plain two-row step"


def call(folder, *arguments, missing=""):
    """Run `gpu-check` on a machine that has nothing to spare, or less than that."""
    environment = os.environ | {
        "ALSO_MISSING": missing,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.run(
        [sys.executable, PROGRAM, "gpu-check", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def measured(folder, missing=""):
    file = folder / "check.json"
    amounts = ("--pairs", "1,2", "--warmup", "1", "--steps", "2")
    done = call(
        folder, "--size", "tiny", "--device", "cpu", *amounts, "--json", str(file), missing=missing
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(file.read_text()), done


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A machine with torch, transformers and a few pure wheels: no DeepSpeed either."""
    return measured(tmp_path_factory.mktemp("bare"), missing="deepspeed")


def steps(found, name):
    return [row for row in found["steps"] if row["step"] == name]


@pytest.mark.processes
def test_every_method_is_measured_with_every_number_of_pairs_and_checkpointing(bare):
    """All activations fit, so that `auto` is the same as `off`."""
    found, _ = bare
    for method in METHODS:
        kinds = {(row["pairs"], row["checkpointing"]) for row in steps(found, method)}
        assert kinds == set(product((1, 2), ("off, auto", "on")))
    assert {(row["pairs"], row["checkpointing"]) for row in steps(found, PLAIN)} == set(
        product((1, 2), ("off", "on"))
    )
    timed = [row for row in found["steps"] if row["fault"] is None]
    assert len(timed) == 3 * 4 + 4
    for row in timed:
        assert 0 < row["seconds_least"] <= row["seconds"] <= row["seconds_most"]
        assert row["pairs_per_second"] == pytest.approx(row["pairs"] / row["seconds"])
        assert row["tokens_per_second"] == pytest.approx(row["positions"] / row["seconds"])


@pytest.mark.processes
def test_the_first_step_has_no_gap_and_the_plain_step_has_the_same_loss(bare):
    """Log 2 for DPO, whose policy is the reference."""
    found, _ = bare
    for row in (*steps(found, "dpo")[:1], *steps(found, PLAIN)[:1]):
        assert row["loss"] == pytest.approx(0.693147, abs=1e-4)


@pytest.mark.processes
def test_equality_is_checked_and_what_is_missing_is_said(bare):
    """A CPU has `segments`; the other kernels say why they do not run."""
    found, _ = bare
    whole = [row for row in found["equality"] if "all layers" in row["what"]]
    parts = [row for row in found["equality"] if row not in whole]
    assert {row["kernel"] for row in whole} == {"two padded rows", "segments, torch"}
    assert {row["kernel"] for row in parts if row["error"] is not None} == {"segments"}
    assert {row["kernel"] for row in parts} == {"segments", "varlen", "flex", "liger"}
    for row in parts:
        if row["error"] is None:
            assert row["missing"]
            assert row["exact"] is None
        else:
            assert row["exact"] is True
    twice = [row["gradients_repeat"] for row in found["equality"] if "gradients_repeat" in row]
    assert twice == [True]


@pytest.mark.processes
def test_what_takes_the_place_of_missing_packages_is_named(bare):
    found, done = bare
    assert found["engine"] == "torch AdamW"
    assert "DeepSpeed is not installed" in done.stderr
    assert {row["engine"] for row in steps(found, "dama")} == {found["engine"]}
    (trl,) = steps(found, "TRL's DPOTrainer")
    assert trl["fault"] == "not installed"
    assert trl["seconds"] is None


@pytest.mark.processes
def test_answers_are_measured_by_both_ways(bare):
    found, done = bare
    ways = [(row["questions"], row["way"]) for row in found["generation"]]
    yes_no, beams = "yes/no, as AMBER asks", "descriptions, three beams"
    assert ways == [
        (yes_no, "in one batch"),
        (yes_no, "image once for its questions"),
        (yes_no, "one by one"),
        (beams, "in one batch"),
    ]
    assert all(row["same_as_first_way"] == row["count"] for row in found["generation"])
    assert all(row["tokens_per_second"] > 0 for row in found["generation"])
    assert "pairs/s" in done.stdout
    assert found["packages"]["torch"]


@pytest.mark.processes
def test_deepspeed_is_the_engine_where_it_is_installed(tmp_path):
    found, _ = measured(tmp_path)
    assert found["engine"] == "DeepSpeed ZeRO-1"
    assert all(row["planned_bytes"] > 0 for row in steps(found, "dama"))


@pytest.mark.processes
def test_what_there_is_no_time_for_says_so_and_what_is_there_is_kept(tmp_path):
    file = tmp_path / "check.json"
    only = ("--only", "ours,answers", "--minutes", "0", "--pairs", "1", "--json", str(file))
    done = call(tmp_path, "--size", "tiny", "--device", "cpu", *only)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(file.read_text())
    assert {row["fault"] for row in found["steps"]} == {"no time left"}
    assert {row["step"] for row in found["steps"]} == set(METHODS)
    assert found["equality"]
    assert found["ceilings"]["product_flops"] > 0
    assert not found["generation"]


@pytest.mark.processes
def test_a_step_is_profiled(bare):
    found, done = bare
    (one,) = found["profiles"]
    assert (one["step"], one["pairs"], one["kernels"]) == ("dpo", 1, "segments, torch")
    assert sum(one["shares"].values()) == pytest.approx(1, abs=0.05)
    assert one["shares"]["matrix products"] > 0.1
    assert "nothing runs" in done.stdout


@pytest.mark.processes
def test_without_a_gpu_the_command_says_so(tmp_path):
    done = call(tmp_path)
    assert done.returncode == 1
    assert "no CUDA device found; this command measures a GPU" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--layers", "few"), "a number, or all"),
        (("--pairs", "1,0"), "write numbers as in 1,2,4"),
        (("--device", "cpu", "--size", "70b"), "70b"),
        (("--device", "cpu", "--size", "tiny", "--layers", "3"), "1 to 2 decoder layers"),
        (("--device", "cpu", "--size", "tiny", "--only", "answer"), "Did you mean 'answers'?"),
    ],
)
def test_wrong_options_are_named(tmp_path, arguments, told):
    done = call(tmp_path, *arguments)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
