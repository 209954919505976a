"""A finished table is shown from folders that nothing can be written to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab

ROOT = Path(__file__).parents[2]
MOUNTED = 'for f in "$READ_ONLY"/*; do mount --bind "$f" "$f"; mount -o remount,ro,bind "$f"; done'


def can_mount(folder):
    if shutil.which("unshare") is None:
        return False
    (folder / "probe" / "one").mkdir(parents=True)
    probe = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"set -e; {MOUNTED}; ! touch {folder}/probe/one/x"],
        env=os.environ | {"READ_ONLY": str(folder / "probe")},
        capture_output=True,
        check=False,
    )
    return probe.returncode == 0


def test_a_finished_table_is_shown_from_read_only_folders(tmp_path, monkeypatch):
    """Output folder and cache are mounted read-only, which binds root too."""
    if not can_mount(tmp_path):
        pytest.skip("nothing can be mounted here")
    lab = Lab(tmp_path / "lab")
    lab.out = tmp_path / "held" / "out"
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "held" / "cache"))
    lab.finish(lab.run(), 3.0)
    spec = {
        "model.path": lab.model,
        "data.preferences": lab.pairs,
        "evaluation.data": lab.data,
        "evaluation.benchmarks": "[mm_vet]",
        "evaluation.judge": f"replay:{lab.replies}",
        "data.hardness.clip": "local-dir:none",
    }
    sets = [word for key, value in spec.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "harness", "reproduce", "--method", "dpo", *sets]
    command += ["--out", str(lab.out)]
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{MOUNTED}; exec "$@"', "sh", *command],
        cwd=ROOT,
        env=os.environ | {"READ_ONLY": str(tmp_path / "held"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "dpo" in ended.stdout
    assert f"No table is written. {lab.out}" in ended.stderr
    assert "Read-only file system. Mend this place" in ended.stderr
    assert not (lab.out / "tables").exists()
