"""The core as pip installs it: small, quick, without torch, and it scores."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_SECONDS, MOST_MEGABYTES = 60, 400

pytestmark = pytest.mark.timeout(900)


def test_the_core_installs_and_scores_in_a_minute(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    # pip keeps what it fetched, and the second time nothing is downloaded.
    _, python = _installed(wheel, tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    installing, python = _installed(wheel, tmp_path / "second")
    begin = time.monotonic()
    total = _scored(python, tmp_path / "empty")
    seconds = installing + time.monotonic() - begin
    used = sum(file.lstat().st_size for file in (tmp_path / "second").rglob("*"))
    assert total == 50.0
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 1
    assert used < MOST_MEGABYTES * 1e6
    assert seconds < MOST_SECONDS


def _installed(wheel: Path, folder: Path) -> tuple[float, Path]:
    """Return the seconds that pip took, and the Python of the new environment."""
    subprocess.run([sys._base_executable, "-m", "venv", folder], check=True, capture_output=True)
    python = folder / "bin" / "python"
    begin = time.monotonic()
    wanted = ["-c", str(ROOT / "constraints.txt"), str(wheel)]
    done = subprocess.run(
        [python, "-m", "pip", "install", *wanted], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begin, python


def _scored(python: Path, folder: Path) -> float:
    """Return what MM-Vet gives an answer that a stored reply of the judge calls half right."""
    folder.mkdir()
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (folder / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (folder / "judge_prompt.txt").write_text("Question | Answer | Prediction | Correctness")
    (folder / "answers.jsonl").write_text('{"id": "v1_0", "response": "A tiger"}\n')
    (folder / "replies.jsonl").write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    asked = ["--benchmark", "mm_vet", "--responses", "answers.jsonl", "--data", ".", "--json"]
    done = subprocess.run(
        [python, "-P", "-m", "harness", "score", *asked, "--judge", "replay:replies.jsonl"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout)["official"]["total"])
