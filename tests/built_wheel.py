"""The wheel as somebody else gets it, unpacked beside nothing."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def unpacked(folder: Path) -> Path:
    """Build the wheel of this checkout and unpack it; the folder to import it from."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def harness(installed: Path, empty: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the harness of the wheel in an empty folder."""
    empty.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness", *words],
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
