"""`reproduce` as a user calls it: real processes, their output and their exit codes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import world_fixture
from PIL import Image

ROOT = Path(__file__).parents[2]
SAVE_EVERY = 25
"""Of the preset base-tiny."""
SECONDS_WHEN_DONE = 20
"""Ten are promised, on a machine that does nothing else."""


def started(out, *arguments, **environment):
    """Start the command; its output is kept."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "reproduce", *arguments, "--out", str(out)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, timeout):
    """Wait for the end; return exit code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def metrics_of(out):
    """Lines of metrics.jsonl, without one that is still being written."""
    files = list(out.glob("runs/dama-tiny-*/metrics.jsonl"))
    text = files[0].read_text("utf-8") if files else ""
    return text.splitlines(keepends=True)[: text.count("\n")]


def kill_worker(out):
    """Kill -9 every training worker of this output folder; return how many there were."""
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if "harness.training.worker" in command and str(out.resolve()) in command:
            os.kill(int(folder.name), signal.SIGKILL)
            killed += 1
    return killed


def files_below(folder):
    """Path -> size and time of the last change."""
    stats = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def interrupted(out, arguments):
    """Run the command, kill its worker past the first checkpoint; return the metrics so far."""
    process = started(out, *arguments)
    while len(metrics_of(out)) < SAVE_EVERY + 10:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    assert kill_worker(out) == 1
    code, table, told = ended(process, 60)
    assert code == 1
    assert table == ""
    assert "exit code -9" in told
    assert "The same command continues from the last checkpoint." in told
    return metrics_of(out)


@pytest.mark.world
@pytest.mark.processes
@pytest.mark.timeout(1800)
def test_killed_continued_finished_and_called_again(tmp_path, record_property):
    """The story of one run; the recorded seconds of a step show that it was not taken twice."""
    arguments = ("--method", "dama", "--size", "tiny")
    before = interrupted(tmp_path, arguments)

    code, out, err = ended(started(tmp_path, *arguments), 1500)
    assert code == 0, err
    lines = metrics_of(tmp_path)
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["epoch"] == pytest.approx(1.0)
    assert len(rows) > len(before)
    assert lines[:SAVE_EVERY] == before[:SAVE_EVERY]

    assert "Comparison, size tiny" in out
    (head,) = [line for line in out.splitlines() if line.startswith("┃")]
    assert head.split() == ["┃", "Metric", "┃", "base", "┃", "dama", "┃"]
    assert "Claims of the paper, dama at size tiny" in out
    table = (tmp_path / "tables" / "comparison-tiny.md").read_text("utf-8")
    assert "base" in table
    assert "dama" in table
    with (tmp_path / "tables" / "comparison-tiny.csv").open(encoding="utf-8") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"base", "dama"}

    there = files_below(tmp_path / "runs")
    start = time.perf_counter()
    code, again, err = ended(started(tmp_path, *arguments), 120)
    seconds = time.perf_counter() - start
    record_property("seconds of a finished run", seconds)
    assert code == 0, err
    assert again == out
    assert files_below(tmp_path / "runs") == there
    assert seconds < SECONDS_WHEN_DONE


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Arguments that name a small model and one benchmark of one question, all on the disk."""
    folder = tmp_path_factory.mktemp("own")
    model = world_fixture.write_base(folder / "model")
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (folder / "benchmarks" / "mm_vet" / "images").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "benchmarks" / "mm_vet" / "images" / "0.png")
    (folder / "benchmarks" / "mm_vet" / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    values = (
        f"model.path={model}",
        f"evaluation.data={folder / 'benchmarks'}",
        "evaluation.benchmarks=[mm_vet]",
        "data.hardness.clip=local-dir:none",
        "training.batch_pairs=4",
        "training.epochs=2",
    )
    return [word for value in values for word in ("--set", value)]


def refused(tmp_path, *arguments):
    """Run the command, which must refuse before it writes anything; return what it says.

    Converted pairs and the report of their check may stay in the cache.
    """
    out, cache = tmp_path / "out", tmp_path / "cache"
    code, table, told = ended(started(out, *arguments, HARNESS_CACHE=str(cache)), 120)
    assert code == 1
    # A dry run prints what it can of the plan, and then what is wrong.
    assert table == "" or "--dry-run" in arguments
    assert told.startswith("error: ")
    assert "Traceback" not in told
    assert not out.exists()
    assert {path.name for path in cache.glob("*")} <= {"preferences"}
    return told


def test_a_mistyped_method_is_answered_with_the_nearest_name(tmp_path):
    assert "Unknown method 'damma'. Did you mean 'dama'?" in refused(
        tmp_path, "--method", "damma", "--size", "tiny"
    )


@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_every_pair_that_cannot_be_trained_on_is_named(tmp_path, own, flags):
    rows = world_fixture.rows(8)
    rows[0]["rejected"] = ""
    rows[3]["image"] = {"bytes": b"\x89PNG and no more", "path": None}
    rows[5]["chosen"] = "  "
    file = world_fixture.write_rows(tmp_path / "pairs.parquet", rows)
    preferences = ("--set", f"data.preferences={file}")
    told = refused(tmp_path, "--method", "dpo", *own, *preferences, *flags)
    assert f"{file}: 3 of 8 rows cannot be used" in told
    assert "row 0: empty rejected" in told
    assert "row 3: unreadable image" in told
    assert "row 5: empty chosen" in told


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path, own):
    rows = [
        {name: value for name, value in row.items() if name != "rejected"}
        for row in world_fixture.rows(8)
    ]
    file = world_fixture.write_rows(tmp_path / "pairs.parquet", rows)
    message = refused(tmp_path, "--method", "dpo", *own, "--set", f"data.preferences={file}")
    assert f"{file}: no column 'rejected'; it has ds_name, image, question, chosen," in message


def test_good_data_pass_the_same_check(tmp_path, own):
    """8 pairs in batches of 4 over 2 epochs are 4 steps; a plan is printed and nothing written."""
    file = world_fixture.write_rows(tmp_path / "pairs.parquet", world_fixture.rows(8))
    arguments = ["--method", "dpo", *own, "--set", f"data.preferences={file}", "--dry-run"]
    code, plan, err = ended(started(tmp_path / "out", *arguments), 120)
    assert code == 0, err
    cells = [line.replace("│", " ").split() for line in plan.splitlines()]
    assert ["preference", "pairs", "8"] in cells
    assert ["training", "steps", "of", "a", "run", "4"] in cells
    assert not (tmp_path / "out").exists()
