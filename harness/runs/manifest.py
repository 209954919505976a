"""Write down what made a run: code, versions, hardware, data and command line."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import Field

from harness.costs.devices import gpus
from harness.errors import DataError, without_secrets
from harness.files.atomic import write_text
from harness.settings.spec import Strict

ROOT = Path(__file__).parents[2]
SOURCES = ("harness", "methods", "benchmarks")
"""Packages below it."""


class Code(Strict):
    """State of the source checkout."""

    commit: str | None = Field(description="None outside a git checkout.")
    dirty: bool | None = Field(description="True when sources differ from the commit.")


class Hardware(Strict):
    """The machine."""

    processor: str
    cores: int
    gpus: tuple[str, ...] = Field(description="Name and memory, in index order.")


class Manifest(Strict):
    """Everything outside the specification that may change a number."""

    created: datetime
    command: tuple[str, ...]
    python: str
    platform: str
    packages: Mapping[str, str]
    code: Code
    hardware: Hardware
    data: Mapping[str, str] = Field(description="What was read, each with a hash of its content.")
    inputs: Mapping[str, str | int] = Field(description="How text and images enter the model.")
    checkpoint: str | None = Field(
        default=None, description="Hash of the model that answered, once it has."
    )

    @classmethod
    def collect(cls, data: Mapping[str, str], inputs: Mapping[str, str | int]) -> "Manifest":
        """Look at this process and this machine."""
        return cls(
            created=datetime.now(UTC),
            command=tuple(map(without_secrets, sys.argv)),
            python=platform.python_version(),
            platform=platform.platform(),
            packages=_packages(),
            code=code_of(ROOT),
            hardware=Hardware(
                processor=_processor(), cores=os.cpu_count() or 1, gpus=tuple(gpus())
            ),
            data=data,
            inputs=inputs,
        )

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read one that was written.

        Raises:
            DataError: It is damaged, or none.
        """
        try:
            return cls.model_validate_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path} is not a manifest. Remove it; the run is then shown without it."
            ) from error

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def _packages() -> dict[str, str]:
    """Return the versions of all installed packages, by name."""
    return dict(sorted((dist.name, dist.version) for dist in metadata.distributions()))


def code_of(root: Path) -> Code:
    """Return the commit of a checkout, and whether its sources differ from it.

    Sources are those of all packages that make a number; what else lies in the checkout, as tables,
    does not count. A folder that merely lies inside somebody's checkout has no commit.
    """
    if _git(root, "ls-files", "--error-unmatch", "--", f"{SOURCES[0]}/__init__.py") is None:
        return Code(commit=None, dirty=None)
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain", "--", *SOURCES)
    return Code(commit=commit, dirty=None if status is None else bool(status))


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git answers, None where it cannot."""
    git = shutil.which("git")
    if git is None:
        return None
    answer = subprocess.run(
        [git, "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return None if answer.returncode else answer.stdout.strip()


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text("utf-8").splitlines() if table.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
