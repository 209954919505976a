"""Which runs stand side by side."""

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.types import Scorecard
from harness.reporting.collect import print_comparison
from harness.runs.rundir import RunDir
from harness.identity.run import Run
from harness.settings.request import Request
from harness.settings.resolve import resolve

COUNTS = {"samples": 1, "scored": 1, "unscored": 0, "empty": 0}
CARD = Scorecard(
    "mm_vet", "official", "a judge", "sha256:0", {"total": 5.0}, {"total": 5.0}, COUNTS
)


def test_a_table_of_somebody_s_own_data_builds_no_world(tmp_path: Path, monkeypatch, capsys):
    """Beside it might stand runs on the tiny world; while that is not built there are none."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def build(*_):
        raise AssertionError("the world is built")

    monkeypatch.setattr("harness.world.build.ensure_world", build)
    overrides = (
        f"model.path={tmp_path / 'model'}",
        f"data.preferences={tmp_path / 'pairs.parquet'}",
        "data.hardness.clip=local-dir:none",
        f"evaluation.data={tmp_path / 'benchmarks'}",
        "evaluation.benchmarks=[mm_vet]",
    )
    request = Request(method="dpo", overrides=overrides, out=tmp_path / "out")
    spec = resolve("dpo", "tiny", overrides=overrides).spec
    run = Run(spec, spec, request.out)
    for folder in (RunDir.open(request.out / "runs", spec), run.base):
        folder.scorecards.mkdir(parents=True)
        (folder.scorecards / "mm_vet.json").write_text(json.dumps(asdict(CARD)))
    print_comparison(request, [run])
    assert "dpo (model.path=" in capsys.readouterr().out
