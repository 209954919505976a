"""Commands that are called on one folder of results, as a user calls them."""

import os
import subprocess
import sys
from pathlib import Path

from lab import Lab
from PIL import Image

ROOT = Path(__file__).parents[2]


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

    def reproduce(self, *options, code=0, **changes):
        words = self.words | {key.replace("__", "."): value for key, value in changes.items()}
        sets = [word for key, value in words.items() for word in ("--set", f"{key}={value}")]
        return self.call("reproduce", "--method", "dpo", *sets, *options, code=code)

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
