"""What made a run stands below every table that shows it."""

from pathlib import Path

from benchmarks.types import Scorecard
from harness.files.jsonlines import JsonLines
from harness.registry import load_benchmark
from harness.reporting.compare import RunResult, compare
from harness.reporting.provenance import provenance
from harness.reporting.writers.markdown import unreadable_replies
from harness.reporting.writers.provenance import provenance_rows, provenance_section
from harness.runs.manifest import Code, Hardware, Manifest
from harness.runs.rundir import RunDir

PACKAGES = {"torch": "2.11.0", "open-clip-torch": "3.3.0", "rich": "14.0"}


def folder_of(tmp_path: Path, **changes) -> RunDir:
    run = RunDir(tmp_path / "dama-tiny-seed0-abc")
    values = {
        "created": "2026-01-01T00:00:00Z",
        "command": ("harness",),
        "python": "3.11.7",
        "platform": "Linux",
        "packages": PACKAGES,
        "code": Code(commit="0123456789abcdef", dirty=False),
        "hardware": Hardware(processor="A CPU", cores=2, gpus=()),
        "data": {},
        "inputs": {},
        "checkpoint": "f00d",
    }
    Manifest.model_validate(values | changes).write(run.manifest)
    return run


def test_run_code_versions_hardware_and_checkpoint_are_told(tmp_path: Path):
    assert provenance(folder_of(tmp_path)) == {
        "run": "dama-tiny-seed0-abc",
        "code": "commit 0123456789ab, nothing changed since",
        "versions": "Python 3.11.7, torch 2.11.0, open_clip_torch 3.3.0",
        "hardware": "A CPU, 2 cores",
        "checkpoint": "f00d",
    }


def test_changed_sources_and_several_gpus_are_told(tmp_path: Path):
    gpus = ("A100, 80 GB", "A100, 80 GB", "H100, 80 GB")
    found = provenance(
        folder_of(
            tmp_path,
            code=Code(commit="0123456789abcdef", dirty=True),
            hardware=Hardware(processor="A CPU", cores=2, gpus=gpus),
        )
    )
    assert found["code"] == "commit 0123456789ab, with changes that are not committed"
    assert found["hardware"] == "2 x A100, 80 GB; 1 x H100, 80 GB"


def test_the_hours_of_the_training_are_those_of_its_steps(tmp_path: Path):
    run = folder_of(tmp_path)
    JsonLines(run.metrics).append({"step": 1, "seconds": 5400.0}, {"step": 2, "seconds": 1800.0})
    assert provenance(run)["training"] == "2 steps in 2.00 h"
    result = RunResult("dama", "dama", None, "tiny", 0, {}, provenance(run))
    line = "- dama seed 0: run dama-tiny-seed0-abc, checkpoint f00d, training 2 steps in 2.00 h"
    assert line in provenance_section([result]).splitlines()
    run.metrics.write_text('{"step": "x"}\n')
    assert "training" not in provenance(run)


def test_json_says_what_made_a_run_and_who_judged_it(tmp_path: Path):
    counts = {"samples": 3, "scored": 2, "unscored": 1, "empty": 1}
    card = Scorecard("mm_vet", "official", "gpt-x", "sha256:0", {}, {}, counts)
    facts = provenance(folder_of(tmp_path))
    (row,) = provenance_rows([RunResult("dama", "dama", None, "tiny", 2, {"mm_vet": card}, facts)])
    assert (row["kind"], row["run"], row["seed"]) == ("provenance", "dama-tiny-seed0-abc", 2)
    assert row["checkpoint"] == "f00d"
    judged = row["judged"]["mm_vet"]
    assert (judged["judge"], judged["data"]) == ("gpt-x", "sha256:0")
    assert judged["counts"] == {**counts, "missing": 0}


def test_answers_that_are_missing_are_told_below_the_table():
    counts = {"samples": 3, "scored": 3, "unscored": 0, "empty": 0, "missing": 215}
    card = Scorecard("mm_vet", "official", "x", "sha256:0", {"total": 5.0}, {"total": 5.0}, counts)
    run = RunResult("dama", "dama", None, "tiny", 0, {"mm_vet": card})
    text = "\n".join(unreadable_replies(compare([run], "tiny", [load_benchmark("mm_vet")])))
    assert "0 of 3 replies unreadable, 0 answers empty, 215 not answered" in text


def test_without_a_checkout_that_is_said(tmp_path: Path):
    found = provenance(folder_of(tmp_path, code=Code(commit=None, dirty=None)))
    assert found["code"] == "no git checkout"


def test_a_manifest_of_an_earlier_version_or_a_damaged_one_stops_no_table(tmp_path: Path):
    run = folder_of(tmp_path, checkpoint=None)
    assert "checkpoint" not in provenance(run)
    run.manifest.write_text("{")
    found = provenance(run)
    assert found.keys() == {"run", "code"}
    assert f"not known: {run.manifest} is not a manifest" in found["code"]


def test_what_runs_share_stands_once_with_all_their_names():
    def result(label: str, seed: int, **facts: str) -> RunResult:
        return RunResult(label, label, None, "tiny", seed, {}, facts)

    text = provenance_section(
        [
            result("base", 0, run="b-1", code="commit a", checkpoint="c0"),
            result("dama", 0, run="d-0", code="commit a", checkpoint="c1"),
            result("dama", 1, run="d-1", code="commit b"),
        ]
    )
    assert text.splitlines() == [
        "## Provenance",
        "",
        "- base, dama seed 0: commit a",
        "- dama seed 1: commit b",
        "- base: run b-1, checkpoint c0",
        "- dama seed 0: run d-0, checkpoint c1",
        "- dama seed 1: run d-1, checkpoint not recorded",
    ]
