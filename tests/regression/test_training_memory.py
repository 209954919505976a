"""Memory of a training process does not grow with the number of pairs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "perf" / "training_memory.py"
BOUND_MB = 80
"""The 32 MB of the map that are given back at a time, the chunk that is written, and noise."""

READ = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import torch
from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.tokenized import ensure_tokenized
from harness.training.precomputed.reference import ensure_reference

folder, count, length = Path(sys.argv[1]), int(sys.argv[2]), 1500
ids = torch.arange(length, dtype=torch.int32)
made = (
    TokenizedPair(row, ids[:40], ids, ids, (ImageRef(row, 0, f"{row:064x}"),))
    for row in range(count)
)
tokenizer = SimpleNamespace(
    tokenize=lambda pairs: made, image_id=7, image_tokens=576, max_length=9999
)
pairs = ensure_tokenized(None, tokenizer, folder / "p.arrow")
reference = ensure_reference(
    folder / "r",
    count,
    512,
    lambda rows: [(torch.ones(length),) * 2 for _ in rows],
    SimpleNamespace(rank=0, count=1),
)
for row in range(count):
    assert len(pairs[row].prompt) == 39 + 576
    assert reference.of([row], length).chosen.shape == (1, length)
stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"stored": stored / 1e6, "peak": peak / 1024}))
"""


def read(folder, count):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", READ, str(folder), str(count)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.processes
def test_writing_and_reading_ten_times_the_pairs_needs_the_same_memory(tmp_path):
    """A pair has 12 kB of token ids and as much of reference values: 2000 and 20,000 of them."""
    few, many = read(tmp_path / "few", 2_000), read(tmp_path / "many", 20_000)
    assert many["stored"] - few["stored"] > 400
    assert many["peak"] - few["peak"] < BOUND_MB


@pytest.mark.processes
def test_the_script_trains_and_measures():
    spec = importlib.util.spec_from_file_location("training_memory", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found = script.measure(40, steps=4)
    assert not found["made"]
    assert found["tokens_mb"] > 0
    assert 0 < found["loaded_mb"] < found["peak_mb"]
    assert min(found["tokenized"], found["reference"], found["step"]) > 0
