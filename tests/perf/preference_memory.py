"""Peak memory of opening, checking and reading preference pairs, at several sizes.

    python tests/perf/preference_memory.py 1000 10000 100000

Every step is a process of its own, and its peak is the kernel's (`VmHWM`): everything that was in
memory at once, mapped pages included.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

STEPS = ("import", "convert", "check", "epoch")
SHARD_ROWS = 20_000
GROUP_ROWS = 1_000
IMAGE_SIDE = 64
DISTINCT = 100
"""Images; a pair's other values are its own."""


def write_pairs(folder: Path, count: int, side: int = IMAGE_SIDE) -> None:
    """Write pairs in the format of RLAIF-V: shards of parquet with square JPEGs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    for shard, start in enumerate(range(0, count, SHARD_ROWS)):
        rows = range(start, min(start + SHARD_ROWS, count))
        writer = None
        for group in range(rows.start, rows.stop, GROUP_ROWS):
            part = [_row(i, side) for i in range(group, min(group + GROUP_ROWS, rows.stop))]
            table = pa.Table.from_pylist(part)
            writer = writer or pq.ParquetWriter(folder / f"train-{shard:05}.parquet", table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()


def _row(i: int, side: int) -> dict[str, object]:
    chosen = f"There are {i} things, and each of them is described here at some length. " * 6
    return {
        "ds_name": "made",
        "image": {"bytes": _jpeg(i % DISTINCT, side), "path": f"{i}.jpg"},
        "question": f"What do you see in picture {i}?",
        "chosen": chosen,
        "rejected": chosen + "There is also a cat.",
        "origin_dataset": "made",
        "origin_split": json.dumps({"model": f"m{i % 3}", "type": "detailed_description"}),
        "idx": str(i),
        "image_path": f"{i}.jpg",
    }


@lru_cache(DISTINCT)
def _jpeg(i: int, side: int) -> bytes:
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def step(name: str, folder: Path) -> dict[str, float]:
    """Do one step in this process; return its seconds and this process's peak in MB."""
    from harness.data.pairs.opening import validate
    from harness.data.pairs.preferences import Preferences

    start = time.monotonic()
    if name != "import":
        pairs = Preferences(folder)
        if name == "check":
            validate(pairs)
        if name == "epoch":
            assert sum(len(pair.image) > 0 for pair in pairs) == len(pairs)
    return {"seconds": time.monotonic() - start, "peak_mb": _status_mb("VmHWM")}


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measure(
    count: int, steps: tuple[str, ...] = STEPS, side: int = IMAGE_SIDE
) -> dict[str, dict[str, float]]:
    """Make `count` pairs and measure every step in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pairs"
        write_pairs(folder, count, side)
        environment = os.environ | {
            "HARNESS_CACHE": str(Path(place) / "cache"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        found = {}
        for name in steps:
            command = [sys.executable, __file__, "--step", name, str(folder)]
            done = subprocess.run(command, env=environment, check=True, capture_output=True)
            found[name] = json.loads(done.stdout)
        stored = (Path(place) / "cache").rglob("*.arrow")
        found["stored"] = {"mb": sum(file.stat().st_size for file in stored) / 1e6}
        return found


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("arguments", nargs="*", default=["1000", "10000", "100000"])
    given = parser.parse_args()
    write = sys.stdout.write
    if given.step:
        write(json.dumps(step(given.step, Path(given.arguments[0]))))
        return
    write("| pairs | stored | only imports | convert | check | one epoch |\n")
    write("|--:|--:|--:|--:|--:|--:|\n")
    for count in map(int, given.arguments):
        found = measure(count)
        cells = [
            f"{found[name]['peak_mb']:.0f} MB"
            + ("" if name == "import" else f", {count / found[name]['seconds']:,.0f}/s")
            for name in STEPS
        ]
        write(f"| {count:,} | {found['stored']['mb']:,.0f} MB | {' | '.join(cells)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
