"""Sixty runs with all items of five benchmarks stand in one table within 5 s after the first time.

PyTorch's import, which takes as long whatever is compared, is not counted.
"""

import os
import subprocess
import sys

import pytest
import sixty_runs

LIMIT_S = 5
CODE = """
import sys, time
from pathlib import Path
import torch
from harness.report.comparison.forms import Form
from harness.report.comparison.table import comparison_text
start = time.process_time()
text, _ = comparison_text(sys.argv[2:], Path(sys.argv[1]), Form.MARKDOWN)
print(time.process_time() - start)
Path(sys.argv[1], "table.md").write_text(text)
"""


@pytest.fixture
def compared(tmp_path):
    runs = [folder.path.name for folder in sixty_runs.make(tmp_path / "out")]
    environment = {**os.environ, "HARNESS_CACHE": str(tmp_path / "cache")}

    def compare():
        words = [sys.executable, "-c", CODE, str(tmp_path / "out"), *runs]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout), (tmp_path / "out" / "table.md").read_text()

    return compare


@pytest.mark.timeout(1800)
def test_sixty_runs_are_compared_in_five_seconds_after_the_first_time(compared):
    _, before = compared()
    again, after = compared()
    assert after == before
    assert before.count("| 10 |") == len(sixty_runs.METHODS)
    assert again < LIMIT_S
