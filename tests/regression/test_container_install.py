"""The step that installs the harness in an image, with what an image copies and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_containers import ROOT, copied

pytestmark = pytest.mark.timeout(600)


def test_the_copied_files_install_and_run(tmp_path: Path):
    sources = tmp_path / "sources"
    for name in copied():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, sources / name)
    script = sources / "container" / "install.sh"
    done = subprocess.run(
        ["bash", script, sources, tmp_path / "env"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    python = tmp_path / "env" / "bin" / "python"
    listed = subprocess.run(
        [python, "-P", "-m", "harness", "show", "--method", "dama", "--size", "7b"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert listed.returncode == 0, listed.stderr
    version = subprocess.run([python, "--version"], capture_output=True, text=True).stdout
    assert version.split()[1].startswith("3.11."), sys.version
