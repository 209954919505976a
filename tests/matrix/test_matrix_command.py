"""`matrix` as a user calls it, with models that are trained for real."""

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


def started(out, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "matrix", *arguments, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A background of a shell ignores Ctrl-C, and tests may run there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def ended(process, timeout=300):
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


@pytest.fixture
def own(tmp_path):
    """Words that name a small model, its pairs and one benchmark of one question."""
    model = world_fixture.write_base(tmp_path / "model")
    pairs = world_fixture.write_rows(tmp_path / "pairs.parquet", world_fixture.rows(8))
    folder = tmp_path / "benchmarks" / "mm_vet"
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (60, 50)).save(folder / "images" / "0.png")
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (folder / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (folder / "judge_prompt.txt").write_text("Question | Answer | Prediction | Correctness")
    replies = tmp_path / "replies.jsonl"
    replies.write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    values = (
        f"model.path={model}",
        f"data.preferences={pairs}",
        "data.hardness.clip=local-dir:none",
        f"evaluation.data={tmp_path / 'benchmarks'}",
        "evaluation.benchmarks=[mm_vet]",
        "evaluation.max_new_tokens=4",
        f"evaluation.judge=replay:{replies}",
        "training.batch_pairs=4",
        "training.epochs=300",
    )
    return [word for value in values for word in ("--set", value)]


def test_names_that_nobody_knows_are_told_before_anything_is_made(tmp_path):
    out = tmp_path / "out"
    code, table, told = ended(started(out, "--methods", "damma,dpo", "--sizes", "tiny,7"))
    assert code == 1
    assert table == ""
    assert told.startswith("error: The matrix cannot start:\n- Unknown method 'damma'.")
    assert "- Method 'dpo' has no preset for size '7'." in told
    assert not out.exists()


def test_a_page_that_cannot_be_written_is_told_before_anything_is_made(tmp_path):
    for sizes, to, said in (
        ("tiny,7b", tmp_path / "page.html", "a page is about one size"),
        ("tiny", tmp_path, "is a folder. Name a file"),
    ):
        words = ("--methods", "dpo", "--sizes", sizes, "--report", str(to))
        code, _, told = ended(started(tmp_path / "out", *words))
        assert code in (1, 2)
        assert said in told
        assert not (tmp_path / "out").exists()


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_interrupted_continued_and_called_again(tmp_path, own):
    """Two runs of 600 steps at once, which share the base model's evaluation."""
    out = tmp_path / "out"
    arguments = ("--methods", "dpo", "--seeds", "0,1", "--jobs", "2", *own)
    process = started(out, *arguments)
    while len(list(out.glob("runs/dpo-*/metrics.jsonl"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    code, table, told = ended(process)
    assert code == 130, told
    assert table == ""
    assert "Nothing is lost. The same command continues." in told
    assert len(list(out.glob("runs/dpo-*/checkpoints/*"))) >= 2
    before = {file: file.read_text() for file in out.glob("runs/dpo-*/metrics.jsonl")}

    code, table, told = ended(started(out, *arguments), 600)
    assert code == 0, told
    assert "Comparison, size tiny" in table
    for file, text in before.items():
        rows = file.read_text()
        assert rows.startswith(text)
        assert [json.loads(row)["step"] for row in rows.splitlines()] == list(range(1, 601))
    assert len(list(out.glob("runs/base-*"))) == 1
    logs = "".join(file.read_text() for file in out.glob("matrix/*.log"))
    assert logs.count("base model tiny: ") == 1

    code, table, told = ended(started(out, *arguments, "--dry-run"))
    assert code == 0, told
    assert table.count(" done ") == 2

    code, _, told = ended(started(out, *arguments, "--report", str(out / "page.html")))
    assert code == 0, told
    assert "dpo" in (out / "page.html").read_text("utf-8")
