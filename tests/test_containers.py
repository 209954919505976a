"""What an image is made from is there, pinned, and the same for Docker and Apptainer."""

import fnmatch
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
RECIPE = (ROOT / "apptainer.def").read_text("utf-8")
INSTALL = ROOT / "container" / "install.sh"
KNOWN = {"FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    split = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in split]


def of(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def copied() -> list[str]:
    """Return what the Dockerfile copies from the folder that it is built in."""
    asked = [shlex.split(rest) for rest in of("COPY") if not rest.startswith("--from")]
    return [source for words in asked for source in words[:-1]]


def section(title: str) -> str:
    """Return a section of the recipe; the last one if there are several."""
    return re.split(rf"^%{title}$", RECIPE, flags=re.MULTILINE)[-1].partition("\n%")[0]


def test_every_instruction_is_one():
    assert {word for word, _ in instructions()} <= KNOWN


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_is_there_and_not_ignored(source):
    kept = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    assert (ROOT / source).exists()
    assert any(fnmatch.fnmatch(source, one) or source.startswith(f"{one}/") for one in kept)


def test_images_are_pinned_and_the_same():
    docker = [rest.split(" AS ")[0] for rest in of("FROM")]
    assert docker == re.findall(r"^From: (.+)$", RECIPE, flags=re.MULTILINE)
    assert [image for image in docker if not PINNED.fullmatch(image)] == []


def test_versions_are_those_of_the_constraints():
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.M))
    images = " ".join(of("FROM"))
    assert f"uv:{pins['uv']} " in images
    assert f"cuda:{pins['cuda-toolkit']}-devel" in images


def test_both_copy_and_run_the_same():
    from_folder = [line.split()[0] for line in section("files").split("\n") if line.strip()]
    assert sorted(from_folder) == sorted(copied())
    steps = " && ".join(of("RUN"))
    for line in ("bash /sources/container/install.sh", "apt-get install"):
        (shown,) = [one.strip() for one in RECIPE.splitlines() if one.strip().startswith(line)]
        assert shown in " ".join(steps.split())


def test_the_image_runs_as_nobody_special():
    words = [word for word, _ in instructions()]
    assert of("USER") == ["harness"]
    assert "RUN" not in words[words.index("USER") :]


@pytest.mark.parametrize("steps", [INSTALL.read_text("utf-8"), section("post"), *of("RUN")])
def test_the_steps_are_shell(steps):
    done = subprocess.run(["bash", "-n"], input=steps, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
