"""The harness where no package of an extra can be imported."""

import os
import subprocess
import sys
from pathlib import Path

from harness.errors import PACKAGES

ROOT = Path(__file__).parents[1]
_PROGRAM = f"""
import sys
from importlib.machinery import PathFinder

NAMES = {sorted(PACKAGES)!r}


class Refusing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Refusing)
from harness.__main__ import main
main()
"""


def core(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the harness in a folder."""
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
