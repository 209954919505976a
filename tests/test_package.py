"""The wheel holds all that a run reads, and works where there is no checkout."""

import os
import subprocess
import sys

import built_wheel
import pytest

PACKAGES = ("harness", "methods", "benchmarks")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return built_wheel.unpacked(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_of_the_packages(installed):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=built_wheel.ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    there = [name for name in listed if (built_wheel.ROOT / name).exists()]
    assert "harness/world/shipped/0/base/model.safetensors" in there
    assert [name for name in there if not (installed / name).is_file()] == []


def test_it_runs_where_nothing_is(installed, tmp_path):
    """Presets, methods, published numbers and what a world is made of come out of the wheel."""
    done = built_wheel.harness(
        installed, tmp_path / "empty", "show", "--method", "dama", "--size", "7b"
    )
    assert done.returncode == 0, done.stderr
    assert "method.beta" in done.stdout
    asked = "import harness.reporting.published as p; print(p.__file__, len(p.read_published()))"
    code = subprocess.run(
        [sys.executable, "-P", "-c", asked],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    file, count = code.stdout.split()
    assert file.startswith(str(installed))
    assert int(count) > 200
