"""Whatever the files of a run hold, they are named in one sentence, and nothing is lost."""

import json
import re
import shutil
import sys

import pytest
import yaml
from lab import Lab

from harness.__main__ import main
from harness.errors import DataError, TrainingError
from harness.evaluation.generation.journal import Journal, progress_of
from harness.evaluation.held import of_run
from harness.files.jsonlines import JsonLines
from harness.reporting.listing import state_of
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir

GARBAGE = {
    "binary": b"\x00\xff\xfe\x80\n\x00\xff\n",
    "half line": b'{"step": 1\n{"step": 2}\n',
    "list": b"[1, [2, 3]]\n",
    "null": b"null\n",
    "empty object": b"{}\n",
    "deep": b"[" * 2_000 + b"]" * 100_000 + b"\n",
    "wrong types": (
        b'{"step": "x", "identity": 5, "made": 7, "label": [], "key": 3, "replies": 4, "id": [],'
        b' "samples": "many", "official": {"total": "high"}, "response": 3}\n'
    ),
    "empty": b"",
}
OWN, OTHER = "training.batch_pairs=4", "training.batch_pairs=2"
SCORE, BASE, OTHERS = "3.0", "1.0", "2.0"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A lab with two runs that are finished."""
    folder = tmp_path_factory.mktemp("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        lab = Lab(folder / "lab")
        for words, score in ((OWN, SCORE), (OTHER, OTHERS)):
            run = lab.finish(lab.run(words), float(score))
            JsonLines(run.folder.metrics).append({"step": 1, "loss": 0.5})
            Manifest.collect({}, {}).write(run.folder.manifest)
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


def never(*_):
    raise TrainingError(BEGUN)


BEGUN = "training would begin"


def reproduce(lab):
    words = {
        "model.path": lab.model,
        "data.preferences": lab.pairs,
        "evaluation.data": lab.data,
        "evaluation.benchmarks": "[mm_vet]",
        "evaluation.judge": f"replay:{lab.replies}",
        "data.hardness.clip": "local-dir:none",
    }
    sets = [word for key, value in words.items() for word in ("--set", f"{key}={value}")]
    return ("reproduce", "--method", "dpo", *sets, "--set", OWN)


def folder_of(lab, words):
    return lab.run(words).folder.path


OBJECTS = ("binary", "list", "empty object", "deep", "wrong types")
"""What differs in kind for who reads one JSON object."""
FILES = [
    *(("run.yaml", kind) for kind in ("binary", "half line", "list", "empty object", "deep")),
    *(("identity.json", kind) for kind in OBJECTS),
    *(("manifest.json", kind) for kind in OBJECTS),
    *(("judgements/*/scorecard.json", kind) for kind in OBJECTS),
    *(("judgements/*/identity.json", kind) for kind in OBJECTS),
    ("metrics.jsonl", "binary"),
]
"""Of a finished run, of which nobody reads the record of its steps again."""


@pytest.mark.parametrize(("name", "garbage"), FILES)
def test_a_damaged_file_of_a_finished_run(lab, said, name, garbage):
    folder = folder_of(lab, OWN)
    (file,) = folder.glob(name)
    file.write_bytes(GARBAGE[garbage])
    for words in (
        ("list", "runs"),
        ("show", folder.name),
        reproduce(lab),
        ("evaluate", folder.name),
    ):
        code, printed, error = said(*words)
        assert code in (0, 1)
        assert code == 0 or file.name in error, error
        if words[0] == "list":
            assert folder.name in printed + error
        elif code == 0 and words[0] != "show":
            assert SCORE in printed, "an undamaged number is not shown"
        assert file.read_bytes() == GARBAGE[garbage], "what was there is gone"


@pytest.mark.parametrize(("name", "garbage"), FILES)
def test_a_damaged_neighbour_is_left_out_and_the_others_are_shown(lab, said, name, garbage):
    folder = folder_of(lab, OTHER)
    (file,) = folder.glob(name)
    file.write_bytes(GARBAGE[garbage])
    code, printed, error = said(*reproduce(lab))
    assert code == 0, error
    assert SCORE in printed
    assert BASE in printed
    if OTHERS in printed:
        assert name in ("manifest.json", "metrics.jsonl"), "of these nothing is shown"
    else:
        (told,) = (line for line in error.splitlines() if "is left out" in line)
        assert told.startswith(f"{folder.name} is left out: ")
        assert str(file) in told
        (table,) = (lab.out / "tables").glob("comparison-*.md")
        assert f"{folder.name} is left out: " in table.read_text()
    assert file.read_bytes() == GARBAGE[garbage], "what was there is gone"


def make_old(folder):
    """Let a run look as one of version 0.1: what decides it is not written down."""
    (folder / "identity.json").unlink()
    (folder / "scorecards").mkdir()
    (folder / "scorecards" / "mm_vet.json").write_text("{}")
    (folder / "manifest.json").write_text("[]")


def without_model(folder):
    shutil.rmtree(folder / "model")
    (folder / "model").write_text("a file")


def without_checkpoint(folder):
    (file,) = folder.glob("judgements/*/identity.json")
    content = json.loads(file.read_text())
    del content["identity"]["answers"]["checkpoint"]
    file.write_text(json.dumps(content))


def of_a_newer_version(folder):
    content = yaml.safe_load((folder / "run.yaml").read_text())
    (folder / "run.yaml").write_text(yaml.safe_dump(content | {"from_the_future": 1}))


@pytest.mark.parametrize(
    ("damage", "file"),
    [
        (make_old, "manifest.json"),
        (without_model, "model"),
        (without_checkpoint, "identity.json"),
        (of_a_newer_version, "run.yaml"),
    ],
)
def test_a_foreign_neighbour_is_left_out(lab, said, damage, file):
    folder = folder_of(lab, OTHER)
    damage(folder)
    code, printed, error = said(*reproduce(lab))
    assert code == 0, error
    assert SCORE in printed
    assert OTHERS not in printed
    (told,) = (line for line in error.splitlines() if "is left out" in line)
    assert told.startswith(f"{folder.name} is left out: ")
    assert file in told
    code, printed, error = said("list", "runs")
    assert code == 0
    assert folder_of(lab, OWN).name in printed
    assert folder.name in printed + error


@pytest.mark.parametrize(
    ("name", "garbage"),
    [
        ("run.yaml", "list"),
        ("identity.json", "list"),
        ("manifest.json", "list"),
        *(("metrics.jsonl", kind) for kind in GARBAGE),
    ],
)
def test_a_damaged_file_of_a_run_that_stopped(lab, said, name, garbage):
    folder = folder_of(lab, OWN)
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "judgements")
    (folder / name).write_bytes(GARBAGE[garbage])
    code, printed, error = said("list", "runs")
    assert code == 0
    assert folder.name in printed + error
    if name == "metrics.jsonl":
        last = {"empty": "stopped at step 0", "half line": "stopped at step 2"}
        assert state_of(RunDir(folder)) == last.get(garbage, "stopped; metrics.jsonl is damaged")
    code, _, error = said(*reproduce(lab))
    assert code == 1
    assert name in error or error.endswith(f"error: {BEGUN}\n")


@pytest.mark.parametrize("garbage", GARBAGE)
def test_damaged_answers(lab, said, garbage):
    held = of_run(lab.run(OWN))
    shutil.rmtree(held.judged("mm_vet"))
    file = held.responses("mm_vet")
    file.parent.mkdir()
    file.write_bytes(GARBAGE[garbage])
    code, printed, error = said("judge", held.folder.path.name, "--judge", f"replay:{lab.replies}")
    assert (code, printed) == (1, "")
    assert str(file) in error


@pytest.mark.parametrize("garbage", sorted({*GARBAGE} - {"empty"}))
def test_a_damaged_journal_of_answers(tmp_path, garbage):
    """It is read by the process that generates; who watches that looks at its progress alone."""
    file = tmp_path / "mm_vet.journal.jsonl"
    file.write_bytes(GARBAGE[garbage])
    assert progress_of(tmp_path, ["mm_vet"])[1] == 0
    with pytest.raises(DataError, match=re.escape(str(file))):
        Journal(tmp_path, "mm_vet", {}, 1)


@pytest.mark.parametrize("garbage", sorted({*GARBAGE} - {"empty"}))
def test_damaged_replies_of_an_earlier_judgement_are_left_out(lab, said, garbage):
    """They would be taken over; all is asked anew instead."""
    held = of_run(lab.run(OWN))
    JsonLines(held.responses("mm_vet")).rewrite([{"id": "v1_0", "response": "A cat"}])
    judged = held.judged("mm_vet")
    file = judged.rename(judged.with_name("mm_vet-bycodebefore")) / "replies.jsonl"
    file.write_bytes(GARBAGE[garbage])
    code, printed, error = said("judge", held.folder.path.name, "--judge", f"replay:{lab.replies}")
    assert code == 0, error
    assert "50.0" in printed
    assert f"No reply is taken over. {file}: not a file of replies" in error
    assert file.read_bytes() == GARBAGE[garbage], "what was there is gone"


@pytest.mark.parametrize("garbage", OBJECTS)
def test_a_damaged_cross_check(lab, said, garbage):
    held = of_run(lab.run(OWN))
    file = held.folder.path / "crosscheck" / f"{held.answers_name('mm_vet')}.json"
    file.parent.mkdir()
    file.write_bytes(GARBAGE[garbage])
    code, printed, error = said(*reproduce(lab))
    assert (code, printed) == (1, "")
    assert error.startswith(f"error: {file} is not a cross-check (")
