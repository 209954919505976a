"""Wheels for a GPU machine without network: python tests/gpu_check/wheels.py FOLDER.

Fetches what `harness gpu-check` and `harness reproduce --size tiny` need beside torch, transformers
and the usual scientific packages, in the versions of constraints.txt. On the machine, in the root
of this repository:

    python3 -m pip install --no-index --no-deps --target SITE FOLDER/*.whl
    PYTHONPATH=SITE python3 -m harness gpu-check
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
PYTHON = "3.12"
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)
NEEDED = {
    "settings": ("pydantic", "pydantic-core", "typing-inspection", "annotated-types"),
    "the cache and its locks": ("platformdirs", "filelock"),
    "clip_gap": ("open-clip-torch", "ftfy", "wcwidth"),
    "answers": ("lmms-eval", "evaluate", "loguru", "pytz", "tenacity"),
    "answers and TRL": ("datasets", "dill", "multiprocess"),
    "the step": ("liger-kernel",),
    "the step of TRL": ("trl",),
    "DeepSpeed": ("hjson",),
}
"""What needs them -> packages; lmms-eval asks for many more, which no path from here imports.

A filelock of the machine may be too new for lmms-eval, which reaches into it.
"""
BUILT = "deepspeed"
"""Has no wheel on PyPI. Without compiled operators, which nothing here uses, it is pure Python."""


def main() -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pins = pinned(CONSTRAINTS.read_text("utf-8"))
    wanted = [pins[name] for names in NEEDED.values() for name in names]
    platforms = [f"--platform={name}" for name in PLATFORMS]
    target = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"]
    _pip("download", "--no-deps", *target, *platforms, "-d", str(folder), *wanted)
    # Its setup imports torch, which an environment for the build alone would not have.
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), pins[BUILT])
    sizes = [file.stat().st_size for file in folder.glob("*.whl")]
    sys.stdout.write(f"{len(sizes)} wheels, {sum(sizes) / 2**20:.1f} MiB, in {folder}\n")


def pinned(constraints: str) -> dict[str, str]:
    """Return `name==version` by name."""
    return {line.partition("==")[0]: line for line in constraints.split()}


def _pip(*words: str) -> None:
    environment = os.environ | {"DS_BUILD_OPS": "0"}
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, env=environment)


if __name__ == "__main__":
    main()
