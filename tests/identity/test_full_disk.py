"""A disk that is full at any write: one sentence, nothing lost, and the same call goes on."""

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from lab import Lab

from harness.__main__ import main
from harness.files import atomic
from harness.files.jsonlines import JsonLines

FULL = os.strerror(errno.ENOSPC)
UNLIKE = {"made", "created", "command"}
"""What differs between two runs that are equal."""


class Disk:
    """Refuses one write, of which half may have come through."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.refused = 0
        self.done: list[Path] = []
        commit, append = atomic.commit, JsonLines.append

        def committed(part: Path, target: Path) -> None:
            self.write(target)
            commit(part, target)

        def appended(lines: JsonLines, *rows) -> None:
            try:
                self.write(lines.path)
            except OSError:
                lines.path.parent.mkdir(parents=True, exist_ok=True)
                with lines.path.open("ab") as stream:
                    stream.write(b'{"half')
                raise
            append(lines, *rows)

        patch.setattr(atomic, "commit", committed)
        patch.setattr(JsonLines, "append", appended)

    def write(self, file: Path) -> None:
        self.done.append(file)
        if len(self.done) == self.refused:
            raise OSError(errno.ENOSPC, FULL, str(file))


def train(run, spec, launcher, chat):
    JsonLines(run.metrics).rewrite([])
    JsonLines(run.metrics).append({"step": 1, "loss": 0.5})
    with atomic.written(run.model) as part:
        shutil.copytree(spec.model.path, part)
        (part / "trained.txt").write_text("trained")


def generate(model, spec, model_spec, data, out, log, *, processes, files):
    for name in files.values():
        file = JsonLines(out / f"{name}.jsonl")
        if not file.path.exists():
            file.rewrite([{"id": "v1_0", "response": "A cat"}])


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Return exit code, stdout and stderr of `reproduce` into a folder, nothing being trained."""
    lab = Lab(tmp_path / "lab")
    monkeypatch.setattr("harness.training.launch.train", train)
    monkeypatch.setattr("harness.evaluation.generation.launch.generate", generate)
    words = {
        "model.path": lab.model,
        "data.preferences": lab.pairs,
        "evaluation.data": lab.data,
        "evaluation.benchmarks": "[mm_vet]",
        "evaluation.judge": f"replay:{lab.replies}",
        "data.hardness.clip": "local-dir:none",
        "training.batch_pairs": 4,
    }
    sets = [word for key, value in words.items() for word in ("--set", f"{key}={value}")]

    def call(name):
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / f"cache-{name}"))
        out = tmp_path / f"out-{name}"
        argv = ["harness", "reproduce", "--method", "dpo", *sets, "--out", str(out)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return call


def contents(folder):
    """Return every file by its name, without what tells when it was made."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): content(path) for path in files}


def content(file):
    if file.parent.name == "tables":
        return "" if file.name == "index.md" else file.read_text()
    if file.suffix != ".json" or file.parent.name == "model":
        return file.read_bytes()
    return {key: value for key, value in json.loads(file.read_text()).items() if key not in UNLIKE}


def test_whichever_write_is_refused(tmp_path, called, monkeypatch):
    disk = Disk(monkeypatch)
    code, table, _ = called("whole")
    assert code == 0
    whole, writes = contents(tmp_path / "out-whole"), disk.done
    digests = [number for number, file in enumerate(writes, 1) if file.parent.name == "digests"]
    silent = []
    for number in sorted({*range(1, len(writes) + 1)} - {*digests[1:]}):
        disk.done, disk.refused = [], number
        code, printed, said = called(number)
        assert "Traceback" not in said
        assert f": {FULL}. Free some space there" in said or not code, said
        if code == 0:
            assert printed == table
            silent.append(said)
        disk.refused = 0
        code, printed, _ = called(number)
        assert (code, printed) == (0, table)
        assert contents(tmp_path / f"out-{number}") == whole
    # What is only remembered, or can be read from the terminal, stops nothing.
    tables = sum(file.parent.name == "tables" for file in writes)
    assert sum(f"No table is written. {tmp_path}" in said for said in silent) == tables
    assert len(silent) == tables + 1
