"""What lies in the user's working folder is never imported in place of this package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.evaluation.crosscheck import crosscheck
from harness.evaluation.generation import launch
from harness.launchers import interpreter
from harness.launchers.choose import submit_request
from harness.launchers.hostfile import HostfileLauncher
from harness.launchers.interpreter import safe_paths
from harness.launchers.local import LocalLauncher
from harness.launchers.slurm import SlurmLauncher
from harness.settings.request import Request
from harness.training.launch import train

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("programs")
TRAP = "raise SystemExit('imported from the working folder')\n"


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A working folder with names of ours and of our requirements."""
    for name in ("harness", "methods", "benchmarks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(TRAP)
    for name in ("yaml", "torch", "argparse"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def local(processes):
    return LocalLauncher().parts(Path("run"), processes)[0].environment


ENVIRONMENTS = {
    "one process": lambda: local(1),
    "several": lambda: local(2),
    "slurm": lambda: SlurmLauncher("41", ("a",), 1).parts(Path("run"), 1)[0].environment,
    "generation": lambda: launch._environment(None),
    "cross-check": lambda: crosscheck._environment("gpt"),
    "cells": lambda: os.environ | safe_paths(),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_child_finds_this_package_and_not_that_of_the_folder(hostile, environment):
    program = "import harness, yaml, methods, sys; print(harness.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(environment()), capture_output=True, text=True
    )
    assert done.stdout.strip() == str(ROOT / "harness" / "__init__.py"), done.stderr


def test_another_host_does_so_too(hostile, monkeypatch):
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    (hostile / "hosts.txt").write_text("localhost slots=1\n")
    HostfileLauncher.read(hostile / "hosts.txt").check(1)


def test_and_a_job(hostile, monkeypatch):
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    request = Request(method="dpo", launcher="slurm", words=("list", "methods"), out=hostile)
    script = submit_request(request).script
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True)
    assert "dama" in done.stdout, done.stderr


@pytest.mark.processes
@pytest.mark.parametrize("devices", [1, 2])
def test_a_run_trains_in_such_a_folder(hostile, make_run, devices):
    run, spec = make_run("dpo", training={"devices": devices, "epochs": 1})
    train(run, spec)
    assert run.model.exists()


def test_what_the_user_put_on_the_path_stays_but_for_the_folder_itself(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", "/a", str(ROOT), "/b")))
    assert safe_paths()["PYTHONPATH"] == os.pathsep.join((str(ROOT), "/a", "/b"))


def test_an_installed_package_adds_no_path(monkeypatch):
    """Packages would stand before the standard library then."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(interpreter, "_ROOT", interpreter.site.getsitepackages()[0])
    assert safe_paths() == {"PYTHONSAFEPATH": "1"}
