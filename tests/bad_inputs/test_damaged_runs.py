"""Whatever the files of a run hold, they are named in one sentence, and nothing is lost."""

import json
import re
import shutil
import sys

import pytest
from lab import Lab

from harness.__main__ import main
from harness.errors import DataError, TrainingError
from harness.evaluation.generation.journal import Journal, progress_of
from harness.evaluation.held import of_run
from harness.files.jsonlines import JsonLines

GARBAGE = {
    "binary": b"\x00\xff\xfe\x80\n\x00\xff\n",
    "half": b'{"step": 1, "id": "v1_0", "resp',
    "half line": b'{"step": 1\n{"step": 2}\n',
    "list": b"[1, [2, 3]]\n",
    "number": b"7\n",
    "null": b"null\n",
    "text": b'"a text"\n',
    "empty object": b"{}\n",
    "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "wrong types": (
        b'{"step": "x", "identity": 5, "made": 7, "label": [], "key": 3, "replies": 4, "id": [],'
        b' "samples": "many", "official": {"total": "high"}, "response": 3}\n'
    ),
    "empty": b"",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A lab whose run is finished, and one whose run has stopped in between."""
    folder = tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        lab = Lab(folder / "lab")
        run = lab.finish(lab.run("training.batch_pairs=4"), 3.0)
        JsonLines(run.folder.metrics).append({"step": 1, "loss": 0.5})
        run.folder.manifest.write_text("{}")
    return lab


@pytest.fixture
def lab(finished, tmp_path, monkeypatch):
    """A copy of the output folder that a test may damage."""
    monkeypatch.setenv("HARNESS_CACHE", str(finished.folder.parent / "cache"))
    shutil.copytree(finished.folder / "out", tmp_path / "out")
    finished.out = tmp_path / "out"
    return finished


@pytest.fixture
def said(lab, monkeypatch, capsys):
    monkeypatch.setattr("harness.training.launch.prepare", never)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["harness", *words, "--out", str(lab.out)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return end.value.code, told.out, told.err

    return call


def reproduce(lab):
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
    return ("reproduce", "--method", "dpo", *sets)


FILES = (
    "run.yaml",
    "identity.json",
    "manifest.json",
    "metrics.jsonl",
    "judgements/*/scorecard.json",
    "judgements/*/identity.json",
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_file_of_a_finished_run(lab, said, name, garbage):
    (file,) = lab.out.glob(f"runs/dpo-*/{name}")
    file.write_bytes(GARBAGE[garbage])
    run = next(lab.out.glob("runs/dpo-*")).name
    for words in (("list", "runs"), ("show", run), reproduce(lab), ("evaluate", run)):
        code, printed, error = said(*words)
        assert code in (0, 1)
        assert code == 0 or file.name in error, error
        if words[0] == "list":
            assert run in printed + error
        assert file.read_bytes() == GARBAGE[garbage], "what was there is gone"


@pytest.mark.parametrize("name", ["run.yaml", "identity.json", "metrics.jsonl", "manifest.json"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_file_of_a_run_that_stopped(lab, said, name, garbage, monkeypatch):
    (run,) = lab.out.glob("runs/dpo-*")
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "judgements")
    monkeypatch.setattr("harness.training.launch.prepare", never)
    (run / name).write_bytes(GARBAGE[garbage])
    code, printed, error = said("list", "runs")
    assert code == 0
    assert run.name in printed + error
    code, _, error = said(*reproduce(lab))
    assert code == 1
    assert name in error or error == f"error: {BEGUN}\n"


BEGUN = "training would begin"


def never(*_):
    raise TrainingError(BEGUN)


@pytest.mark.parametrize("name", ["{}.jsonl", "{}.journal.jsonl"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_damaged_answers(lab, said, name, garbage, monkeypatch):
    """The journal is read by the process that generates; here only its progress is looked at."""
    held = of_run(lab.run("training.batch_pairs=4"))
    shutil.rmtree(held.judged("mm_vet"))
    stem = held.answers_name("mm_vet")
    file = held.folder.responses / name.format(stem)
    file.parent.mkdir()
    file.write_bytes(GARBAGE[garbage])
    if "journal" in name:
        assert progress_of(file.parent, [stem])[1] == 0
        if garbage not in ("half", "empty"):
            with pytest.raises(DataError, match=re.escape(str(file))):
                Journal(file.parent, stem, {}, 1)
        return
    code, _, error = said("judge", held.folder.path.name, "--judge", f"replay:{lab.replies}")
    assert code == 1
    assert str(file) in error


@pytest.mark.parametrize("garbage", sorted({*GARBAGE} - {"empty", "half"}))
def test_damaged_replies_of_a_neighbour_are_named(lab, said, garbage):
    held = of_run(lab.run("training.batch_pairs=4"))
    JsonLines(held.responses("mm_vet")).rewrite([{"id": "v1_0", "response": "A cat"}])
    file = held.judged("mm_vet") / "replies.jsonl"
    file.write_bytes(GARBAGE[garbage])
    other = lab.folder / "other.jsonl"
    other.write_text(json.dumps({"id": "v1_0", "replies": ["0.9"]}) + "\n")
    code, _, error = said("judge", held.folder.path.name, "--judge", f"replay:{other}")
    assert code == 1
    assert str(file) in error or "replies.jsonl" in error
    assert file.read_bytes() == GARBAGE[garbage]
