"""Memory and time of training a random tiny LLaVA on more and more pairs.

    python tests/perf/training_memory.py 1000 10000 100000

Each size is trained for a few steps by a real worker in a process of its own. Its peak is the
kernel's (`VmHWM`): everything that was in memory at once, mapped pages included. Where the pass
of the reference model would take minutes, its files are filled with zeros of the right lengths
(`--made-above`), and its seconds are not given.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
STEPS = 30
BATCH = 4
MADE_ABOVE = 10_000

sys.path[:0] = [str(TESTS.parent), str(TESTS / "perf"), str(TESTS / "training")]


def measure(count: int, steps: int = STEPS, made_above: int = MADE_ABOVE) -> dict[str, float]:
    """Make `count` pairs and train on some; return seconds, and memory in MB."""
    from preference_memory import write_pairs
    from world_fixture import write_base

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_pairs(folder / "pairs", count)
        write_base(folder / "base")
        environment = os.environ | {"HARNESS_CACHE": str(folder / "cache")}
        environment |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
        for stage in ("check", "train"):
            command = [sys.executable, __file__, "--stage", stage, str(folder), str(count)]
            command += [str(steps), str(int(count > made_above))]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found | {"tokens_mb": _size_mb(folder, "tokenized"), "pairs": count}


def check(folder: Path, count: int, steps: int) -> None:
    """Do what the launcher does: convert and check the pairs, and write the run down."""
    from harness.data.pairs.opening import open_preferences
    from harness.runs.rundir import RunDir
    from harness.settings.spec import RunSpec

    spec = RunSpec.model_validate(
        {
            "method": "dpo",
            "size": "tiny",
            "seed": 0,
            "config": {},
            "model": {"path": str(folder / "base")},
            "data": {
                "preferences": str(folder / "pairs"),
                "max_length": 1000,
                "hardness": {"clip": "local-dir:none"},
            },
            "training": {
                "learning_rate": 1e-5,
                "warmup_ratio": 0.0,
                "epochs": steps / (count // BATCH),
                "batch_pairs": BATCH,
                "precision": "float32",
                "zero_stage": 0,
            },
            "evaluation": {"benchmarks": [], "data": "none", "judge": "oracle"},
        }
    )
    open_preferences(spec.data)
    run = RunDir(folder / "runs" / "measured")
    run.open(spec)
    run.logs.mkdir(parents=True)


def train(folder: Path, made: bool) -> dict[str, float]:
    """Train in this process; return what it took."""
    import torch

    from harness.runs.rundir import RunDir
    from harness.training.metrics import read_rows
    from harness.training.precomputed.preparation import Preparation
    from harness.training.step.engine import TorchProcesses
    from harness.training.worker import Worker

    seconds: dict[str, float] = {}
    for name in ("tokenized", "reference"):
        setattr(Preparation, name, _timed(name, getattr(Preparation, name), seconds))
    if made:
        Preparation._logps = _made_logps  # type: ignore[assignment,method-assign]
    run = RunDir(next((folder / "runs").iterdir()))
    spec = run.read_spec()
    torch.manual_seed(spec.seed)
    processes = TorchProcesses()
    worker = Worker(run, spec, processes)
    loaded = _status_mb("VmRSS")
    worker.train()
    rows = read_rows(run.metrics)
    processes.close()
    return seconds | {
        "made": made,
        "step": statistics.median(row["seconds"] for row in rows[2:]),
        "loaded_mb": loaded,
        "peak_mb": _status_mb("VmHWM"),
    }


def _timed(name, function, seconds):  # type: ignore[no-untyped-def]
    def timed(*given):  # type: ignore[no-untyped-def]
        started = time.monotonic()
        found = function(*given)
        seconds[name] = time.monotonic() - started
        return found

    return timed


def _made_logps(preparation, policy, vision, collate):  # type: ignore[no-untyped-def]
    import torch

    def logps(rows):  # type: ignore[no-untyped-def]
        pairs = [collate._pairs[row] for row in rows]
        return [(torch.zeros(len(pair.chosen)), torch.zeros(len(pair.rejected))) for pair in pairs]

    return logps


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _size_mb(folder: Path, name: str) -> float:
    return sum(file.stat().st_size for file in (folder / "cache" / name).glob("*")) / 1e6


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=("check", "train"))
    parser.add_argument("--made-above", type=int, default=MADE_ABOVE)
    parser.add_argument("arguments", nargs="*", default=["1000", "10000", "100000"])
    given = parser.parse_args()
    if given.stage:
        folder, count, steps, made = given.arguments
        if given.stage == "check":
            check(Path(folder), int(count), int(steps))
        else:
            sys.stdout.write("\n" + json.dumps(train(Path(folder), bool(int(made)))) + "\n")
        return
    sys.stdout.write("| pairs | tokens | tokenize | reference pass | step | loaded | peak |\n")
    sys.stdout.write("|--:|--:|--:|--:|--:|--:|--:|\n")
    for count in map(int, given.arguments):
        found = measure(count, made_above=given.made_above)
        per_pair = 1000 / count
        reference = "made" if found["made"] else f"{found['reference'] * per_pair:.1f} ms/pair"
        sys.stdout.write(
            f"| {count:,} | {found['tokens_mb']:,.1f} MB | {found['tokenized'] * per_pair:.2f} "
            f"ms/pair | {reference} | {found['step'] * 1000:.0f} ms | {found['loaded_mb']:.0f} MB "
            f"| {found['peak_mb']:.0f} MB |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
