"""The table of a shipped world does not depend on how a processor adds numbers up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARITHMETIC = {
    "native, one thread": {"OMP_NUM_THREADS": "1"},
    "without AVX, two threads": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OMP_NUM_THREADS": "2",
    },
    "AVX2, two threads": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "OMP_NUM_THREADS": "2",
    },
}

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Reproduce one method under each arithmetic, with nothing cached; all files of `tables/`."""

    def table(name, arithmetic):
        folder = tmp_path_factory.mktemp("run")
        done = subprocess.run(
            [sys.executable, "-m", "harness", "reproduce", "--method", "dama", "--out", folder],
            cwd=ROOT,
            env=os.environ | arithmetic | {"HARNESS_CACHE": str(folder / "cache")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{name}: {done.stderr[-3000:]}"
        return (folder / "tables" / "comparison-tiny.csv").read_text("utf-8")

    return {name: table(name, arithmetic) for name, arithmetic in ARITHMETIC.items()}


def test_every_printed_digit_is_the_same(tables):
    native, *others = tables.values()
    assert "dama" in native
    assert all(other == native for other in others)
