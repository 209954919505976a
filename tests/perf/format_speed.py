"""Rows per second of one core and peak memory of converting every text format.

    python tests/perf/format_speed.py 10000 100000

Every conversion is a process of its own; its seconds are those that it computed, so that others on
the machine do not count, and its peak is the kernel's (`VmHWM`). An image is a path.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANSWER = "There are {} things, and each of them is described here at some length. " * 6
Row = dict[str, Any]


def _texts(i: int) -> tuple[str, str, str]:
    chosen = ANSWER.format(i, i, i, i, i, i)
    return f"What do you see in picture {i}?", chosen, f"{chosen}There is also a cat."


def _plain(i: int) -> Row:
    question, chosen, rejected = _texts(i)
    return {"question": question, "chosen": chosen, "rejected": rejected, "image": f"{i}.jpg"}


def _trl(i: int) -> Row:
    question, chosen, rejected = _texts(i)
    parts = [{"type": "image"}, {"type": "text", "text": question}]
    return {
        "prompt": [{"role": "user", "content": parts}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "images": [f"{i}.jpg"],
    }


def _llama_factory(i: int) -> Row:
    question, chosen, rejected = _texts(i)
    return {
        "conversations": [{"from": "human", "value": f"<image>{question}"}],
        "chosen": {"from": "gpt", "value": chosen},
        "rejected": {"from": "gpt", "value": rejected},
        "images": [f"{i}.jpg"],
    }


def _ms_swift(i: int) -> Row:
    question, chosen, rejected = _texts(i)
    talk = [
        {"role": "user", "content": f"<image>{question}"},
        {"role": "assistant", "content": chosen},
    ]
    return {"messages": talk, "rejected_response": rejected, "images": [f"{i}.jpg"]}


FORMATS: dict[str, Callable[[int], Row]] = {
    "plain": _plain,
    "trl": _trl,
    "llama_factory": _llama_factory,
    "ms_swift": _ms_swift,
}
KINDS = ("jsonl", "json", "jsonl.gz", "csv")


def write(file: Path, make: Callable[[int], Row], count: int) -> None:
    """Write so many rows as the file's ending says."""
    if file.suffix == ".csv":
        import csv

        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(make(0)))
            writer.writeheader()
            writer.writerows(make(i) for i in range(count))
        return
    listed = file.suffix == ".json"
    with gzip.open(file, "wt") if file.suffix == ".gz" else file.open("w") as stream:
        stream.write("[" if listed else "")
        for i in range(count):
            stream.write((", " if listed and i else "") + json.dumps(make(i)))
            stream.write("" if listed else "\n")
        stream.write("]" if listed else "")


def convert(file: Path) -> dict[str, float]:
    """Convert a file in this process; return its seconds and this process's peak in MB."""
    from harness.data.formats.catalog import formats
    from harness.data.pairs.source import locate
    from harness.data.pairs.store import store_pairs

    source = locate(str(file))
    formats()  # imports are no conversion
    start = time.process_time()
    store_pairs(source)
    seconds = time.process_time() - start
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return {"seconds": seconds, "peak_mb": peak}


def measure(name: str, kind: str, count: int) -> dict[str, float]:
    """Make a file and convert it in a process of its own, held to one core."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"pairs.{kind}"
        write(file, FORMATS[name], count)
        environment = os.environ | {
            "HARNESS_CACHE": str(Path(place) / "cache"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        command = ["taskset", "-c", "0", sys.executable, __file__, "--convert", str(file)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--convert", type=Path)
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000])
    given = parser.parse_args()
    if given.convert:
        sys.stdout.write(json.dumps(convert(given.convert)))
        return
    sys.stdout.write("| format | file |" + "".join(f" {count:,} |" for count in given.counts))
    sys.stdout.write("\n|---|---|" + "--:|" * len(given.counts) + "\n")
    for name in FORMATS:
        for kind in KINDS:
            if kind in ("csv", "jsonl.gz") and name != "plain":
                continue
            cells = []
            for count in given.counts:
                found = measure(name, kind, count)
                speed = count / found["seconds"]
                cells.append(f"{speed:,.0f}/s, {found['peak_mb']:.0f} MB")
            sys.stdout.write(f"| {name} | {kind} | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
