"""What well-known devices hold and how fast they multiply, by name; imports nothing heavy."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace

from harness import registry
from harness.errors import ConfigError

_GB = 1_000_000_000
_GIB = 1 << 30


@dataclass(frozen=True)
class Device:
    """One device of a kind."""

    name: str
    memory_bytes: int
    bf16_flops: float | None
    """Peak of dense bfloat16 products per second; None where it is not known."""
    utilisation: float = 0.4
    """Share of the peak that a training step is expected to reach."""
    measured: str | None = None
    """Where and when that share was measured; None: it is assumed."""
    has_bf16: bool = True


@dataclass(frozen=True)
class Devices:
    """Several devices of one kind."""

    count: int
    kind: Device

    @property
    def name(self) -> str:
        """The kind's name."""
        return self.kind.name

    @property
    def memory_bytes(self) -> int:
        """Memory of one device."""
        return self.kind.memory_bytes

    @property
    def bf16_flops(self) -> float | None:
        """Peak of one device."""
        return self.kind.bf16_flops

    def __str__(self) -> str:
        """As it is given on the command line."""
        return f"{self.count}x{self.name}"


# Memory is what nvidia-smi reports, peaks are dense, from the makers' data sheets. 50 % of an A100
# and 42 % of an H200 are the targets that this project measures itself against; the H100's share is
# the least of the methods' three medians in results/perf/gpu-h100-80gb-7b-layers32.json, at four
# pairs without recomputation.
TABLE = (
    Device("A100-40GB", 40_960 << 20, 312e12, utilisation=0.5),
    Device("A100-80GB", 81_920 << 20, 312e12, utilisation=0.5),
    Device("H100-80GB", 81_559 << 20, 989e12, utilisation=0.47, measured="one H100, 2026-11-26"),
    Device("H200-141GB", 143_771 << 20, 989e12, utilisation=0.42),
    Device("L40S-48GB", 46_068 << 20, 362e12),
    Device("A6000-48GB", 49_140 << 20, 155e12),
    Device("RTX4090-24GB", 24_564 << 20, 165e12),
    Device("RTX3090-24GB", 24_576 << 20, 71e12),
    Device("V100-32GB", 32_768 << 20, None, has_bf16=False),
    Device("V100-16GB", 16_384 << 20, None, has_bf16=False),
)
CPU = "CPU"
_TEXT = re.compile(r"(?:(?P<count>\d+)(?:\s*[x*]\s*|\s+|$))?(?P<name>.*)", re.IGNORECASE)


def parse_devices(text: str) -> Devices:
    """Read `4xA100-80GB`, `A100-80GB` or, for devices of this machine, `4`.

    A name without its memory is enough where only one kind bears it: `2xH100`.

    Raises:
        ConfigError: No such device, or none at all is asked for.
    """
    found = _TEXT.fullmatch(text.strip())
    count, name = (found["count"], found["name"].strip()) if found else (None, text)
    if not text.strip() or (count is not None and int(count) < 1):
        raise ConfigError(f"--devices {text}: at least one device is needed, as in 4xA100-80GB.")
    kind = _named(name, text) if name else local_device(int(count or 1))
    return Devices(int(count or 1), kind)


def names_devices(text: str) -> bool:
    """Say whether a text names a kind of device and not only a number."""
    return not text.strip().isdecimal()


def local_device(count: int = 1) -> Device:
    """Return the kind of this machine's first GPU, or a CPU process's share of the memory."""
    found = gpus()
    if not found:
        return _cpu(count)
    name, _, memory = (part.strip() for part in found[0].partition(","))
    size = int(memory.split()[0]) << 20
    return recognised(name, size)


def recognised(name: str, memory_bytes: int) -> Device:
    """Return the table's entry of a GPU as nvidia-smi calls it, with the memory that it has.

    A GPU that is not in the table is kept under its own name, without a peak.
    """
    plain = _plain(name)
    same = [kind for kind in TABLE if _plain(kind.name.partition("-")[0]) in plain]
    if not same:
        return Device(name, memory_bytes, None)
    nearest = min(same, key=lambda kind: abs(kind.memory_bytes - memory_bytes))
    return replace(nearest, memory_bytes=memory_bytes)


def _named(name: str, text: str) -> Device:
    plain = _plain(name)
    if plain == _plain(CPU):
        return _cpu(1)
    exact = [kind for kind in TABLE if _plain(kind.name) == plain]
    begun = exact or [kind for kind in TABLE if _plain(kind.name).startswith(plain)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        kinds = ", ".join(kind.name for kind in begun)
        raise ConfigError(f"--devices {text}: which of {kinds}? Write for example {begun[0].name}.")
    hint = registry.hint(name.upper(), [*(kind.name for kind in TABLE), CPU])
    raise ConfigError(f"--devices {text}: unknown device {name!r}. {hint}")


def _cpu(processes: int) -> Device:
    """Return a process's share of this machine's memory."""
    return Device(CPU, _machine_memory() // max(processes, 1), None)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def gpus() -> list[str]:
    """List the NVIDIA GPUs, `name, memory` each, without importing torch."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines() if answer.returncode == 0 else []
