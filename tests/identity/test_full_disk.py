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
    """Refuses every file once, one a call, of which half may have come through."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.refused: list[Path] = []
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
        if self.full and file not in self.refused:
            self.refused.append(file)
            # What is only remembered stops nothing, so that the same call meets the next refusal.
            self.full = file.parent.name == "digests"
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

    capsys.readouterr()  # what libraries said while the model was made
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


def test_whichever_file_is_refused_the_same_call_goes_on(tmp_path, called, monkeypatch):
    """No folder is begun anew between the calls: each starts from what the refusals left."""
    disk = Disk(monkeypatch)
    code, table, _ = called("whole")
    assert code == 0
    silent = []
    for _ in range(100):
        disk.full, before = True, len(disk.refused)
        code, printed, said = called("full")
        if len(disk.refused) == before:
            break
        assert "Traceback" not in said
        last = disk.refused[-1]
        if code == 0:
            assert printed == table
            silent.append(last)
            if last.parent.name == "items":  # draws of items are made again next time
                continue
            assert f"No table is written. {last}: {FULL}. Free some space there" in said
        else:
            assert printed == ""
            assert said.splitlines()[-1].startswith(f"error: {last}: {FULL}. Free some space there")
    assert (code, printed) == (0, table)
    assert contents(tmp_path / "out-full") == contents(tmp_path / "out-whole")
    phases = {file.parent.name.partition("-")[0] for file in disk.refused}
    assert {"digests", "preferences", "base", "responses", "mm_vet", "dpo", "tables"} <= phases
    assert {file.parent.name for file in silent} == {"tables", "items"}
