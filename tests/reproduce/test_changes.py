"""Inputs change between two calls: what depends on them is made again, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lab import Lab
from PIL import Image

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


class Called:
    """One folder of results and the commands that are called on it."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder)
        Image.new("RGB", (8, 8), "red").save(self.lab.data / "mm_vet" / "images" / "0.png")
        # Cuts the answer short, so that a model with random weights is asked quickly.
        self.words = {
            "model.path": self.lab.model,
            "data.preferences": self.lab.pairs,
            "evaluation.data": self.lab.data,
            "evaluation.benchmarks": "[mm_vet]",
            "evaluation.judge": f"replay:{self.lab.replies}",
            "evaluation.max_new_tokens": 2,
            "data.hardness.clip": "local-dir:none",
            "training.batch_pairs": 4,
            "training.epochs": 2,
        }

    def reproduce(self, **changes):
        words = self.words | {key.replace("__", "."): value for key, value in changes.items()}
        sets = [word for key, value in words.items() for word in ("--set", f"{key}={value}")]
        return self.call("reproduce", "--method", "dpo", *sets)

    def call(self, *arguments, code=0):
        command = [sys.executable, "-m", "harness", *map(str, arguments), "--out", self.lab.out]
        ended = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    def made(self, pattern):
        """Path -> time of the last change."""
        return {file: file.stat().st_mtime_ns for file in self.lab.out.glob(pattern)}

    def runs(self):
        return sorted(path.name for path in (self.lab.out / "runs").glob("dpo-*"))


TRAINED = "runs/dpo-*/model/model.safetensors"
ANSWERED = "runs/*/responses/*.jsonl"
JUDGED = "runs/*/judgements/*/scorecard.json"


def swap(file):
    table = pq.read_table(file)
    names = {"chosen": "rejected", "rejected": "chosen"}
    pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), file)


def test_only_what_depends_on_a_change_is_made_again(tmp_path):
    called = Called(tmp_path)
    called.reproduce()
    (first,) = called.runs()
    trained, answered, judged = (called.made(one) for one in (TRAINED, ANSWERED, JUDGED))
    assert (len(trained), len(answered), len(judged)) == (1, 2, 2)

    # How it is computed: nothing is made again.
    called.reproduce(evaluation__batch_size=7, training__zero_stage=2)
    assert [called.made(one) for one in (TRAINED, ANSWERED, JUDGED)] == [trained, answered, judged]

    # Another judge: one command for the comparison, one for a run alone.
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "v1_0", "replies": ["1.0"]}\n')
    shown = called.reproduce(evaluation__judge=f"replay:{other}")
    assert "100.0" in shown.stdout
    assert [called.made(one) for one in (TRAINED, ANSWERED)] == [trained, answered]
    assert len(called.made(JUDGED)) == 4
    third = tmp_path / "third.jsonl"
    third.write_text('{"id": "v1_0", "replies": ["0.0"]}\n')
    assert "0.0" in called.call("judge", first, "--judge", f"replay:{third}").stdout
    assert [called.made(one) for one in (TRAINED, ANSWERED)] == [trained, answered]

    # Chosen and rejected swapped in place: another training, which is told; the old one stays.
    swap(called.lab.pairs)
    told = called.reproduce()
    assert "data.preferences changed since" in told.stderr
    assert len(called.runs()) == 2
    assert first in called.runs()
    assert "(data " in told.stdout
    for one, before in ((TRAINED, trained), (ANSWERED, answered)):
        now = called.made(one)
        assert len(now) == len(before) + 1, "the base model's answers are those that are there"
        assert before.items() <= now.items()

    # A run that is not there is named, with what there is.
    refused = called.call("evaluate", "dpo-tiny-seed9-none", code=1)
    assert "no run of" in refused.stderr
    assert "list runs" in refused.stderr
