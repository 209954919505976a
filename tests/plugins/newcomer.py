"""Packages as `new` writes them, and the commands that it prints."""

import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

from typer.testing import CliRunner

from harness.commands.app import app

ROOT = Path(__file__).parents[2]


def installed(folder: Path, site: Path) -> Path:
    """Build the wheel of a package, and unpack it: what an installer does, without a network."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(site / "dist")]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    (wheel,) = (site / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(words, site, place):
    """Run a printed command where it was printed, in a process that sees the package."""
    python, *others = shlex.split(words)
    assert python == "python"
    paths = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, *others],
        cwd=place,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )


def made(kind, name, tmp_path, monkeypatch):
    """Write a package as a newcomer does; return what was printed as steps, and where it lies."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, ["new", kind, name])
    assert done.exit_code == 0, done.exception
    steps = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    assert f"-e {name} pytest" in steps[0]
    return steps, place, installed(place / name, tmp_path / "site")
