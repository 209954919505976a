"""Measure `prepare` on made pairs: pairs per second, peak memory, and a kill -9 in the middle.

    python tests/perf/prepare_speed.py                    # 1k, 10k and 100k pairs: minutes
    python tests/perf/prepare_speed.py 1000

The last size is run twice: once whole, once killed at a random moment and continued; the second
run must leave every shard that it finds as it is, and both must give the same column.
"""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = ("red", "green", "blue", "white", "black", "yellow")
THINGS = ("dog", "cat", "car", "tree", "house", "boat", "horse", "lamp")
SIDE = 48
PAIRS_PER_IMAGE = 4
SCHEMA = pa.schema(
    [
        ("idx", pa.string()),
        ("question", pa.string()),
        ("chosen", pa.string()),
        ("rejected", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ]
)


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def sentence(rng):
    one, other, colour = rng.choice(THINGS), rng.choice(THINGS), rng.choice(COLOURS)
    return f"There is a {colour} {one} next to the {other} in picture {rng.randrange(10_000)}."


def picture(number):
    pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def write_pairs(file, count):
    rng = random.Random(count)
    with pq.ParquetWriter(file, SCHEMA) as writer:
        for start in range(0, count, 1000):
            rows = []
            for i in range(start, min(start + 1000, count)):
                shared = sentence(rng)
                rows.append(
                    {
                        "idx": str(i),
                        "question": "What is in the picture?",
                        "chosen": f"{shared} {sentence(rng)}",
                        "rejected": f"{shared} {sentence(rng)}",
                        "image": {"bytes": picture(i // PAIRS_PER_IMAGE), "path": None},
                    }
                )
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))


def write_clip(folder):
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16,
                       "patch_size": 16},
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 4,
                     "layers": 2},
    }  # fmt: skip
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    normalise = {"mean": [0.5] * 3, "std": [0.5] * 3}
    described = {"model_cfg": config, "preprocess_cfg": normalise}
    (folder / "open_clip_config.json").write_text(json.dumps(described))


def start(pairs, clip, cache):
    return subprocess.Popen(
        [sys.executable, "-c", "from harness.commands.prepare import app; app()",
         "--data", str(pairs), "--clip", str(clip), "--json"],
        env=os.environ | {"HARNESS_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip


def finish(process, began):
    """Return what was printed, seconds, and the peak resident memory in MB."""
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return json.loads(printed), time.monotonic() - began, usage.ru_maxrss / 1024


def shards(cache):
    return {file: file.stat().st_mtime_ns for file in cache.glob("hardness/*/shard-*.parquet")}


def measure(count, folder, clip):
    cache, pairs = folder / f"cache-{count}", folder / f"pairs-{count}.parquet"
    write_pairs(pairs, count)
    began = time.monotonic()
    printed, seconds, memory = finish(start(pairs, clip, cache), began)
    times = sorted(shards(cache).values())
    scoring = (times[-1] - times[0]) / 1e9
    rate = (len(times) - 1) * 512 / scoring if scoring else float("nan")
    say(
        f"{count:>7} pairs: {seconds:6.1f} s in all, {count / seconds:5.0f} pairs/s in all, "
        f"{rate:5.0f} pairs/s while scoring, peak memory {memory:5.0f} MB"
    )
    return printed, pairs


def kill_and_continue(pairs, clip, folder, expected, shard_count):
    cache = folder / "cache-killed"
    process = start(pairs, clip, cache)
    wanted = random.randrange(1, max(2, shard_count - 1))
    while len(shards(cache)) < wanted:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    time.sleep(random.random() * 0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    before = shards(cache)
    began = time.monotonic()
    printed, seconds, _ = finish(start(pairs, clip, cache), began)
    after = shards(cache)
    assert all(after[file] == when for file, when in before.items()), "a shard was made again"
    column = pq.read_table(printed["column"])
    assert column.equals(pq.read_table(expected["column"])), "another column"
    say(
        f"killed with {len(before)} of {len(after)} shards done: continued in {seconds:.1f} s, "
        "no shard made twice, the column is the same"
    )


def main():
    counts = [int(word) for word in sys.argv[1:]] or [1_000, 10_000, 100_000]
    folder = Path(tempfile.mkdtemp(prefix="prepare-speed-"))
    try:
        clip = folder / "clip"
        write_clip(clip)
        for count in counts:
            printed, pairs = measure(count, folder, clip)
        kill_and_continue(pairs, clip, folder, printed, -(-counts[-1] // 512))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
