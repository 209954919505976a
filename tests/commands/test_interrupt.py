"""Ctrl-C: the user reads that the same command continues."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
import harness.registry
from harness.__main__ import main

def slow():
    print("working", flush=True)
    time.sleep(60)

harness.registry.methods = slow
sys.argv = ["harness", "list", "methods"]
main()
"""


def test_ctrl_c_says_that_the_same_command_continues():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever started the tests in the background had Ctrl-C ignored, here too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert told == "Stopped; nothing is lost. The same command continues.\n"
    assert process.returncode == 130
