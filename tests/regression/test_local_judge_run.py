"""A run of the tiny world is judged by a model made here, killed, and goes on to its table."""

import json
import re
import signal
import subprocess
import sys
import time

from tiny_judge import write_judge


def wait_for(happened, seconds=20.0):
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


WORLD = """<sep>{{ messages[-1]['content'] }}
{%- if 'Somebody answered' in messages[0]['content'] -%}<mmhal>{%- else -%}<mm_vet>{%- endif -%}"""
"""Tells the questions of the tiny world apart by the words of its own prompts."""


def test_a_run_is_judged_without_key_and_endpoint_is_killed_and_goes_on(tmp_path):
    """The worker of the base model is killed with the command; then all comes to the table."""
    judge = write_judge(tmp_path / "judge", WORLD)
    out = tmp_path / "out"
    words = [sys.executable, "-m", "harness", "reproduce", "--method", "dpo", "--out", str(out)]
    words += ["--size", "tiny", "--judge", f"local:{judge}", "--set", "training.epochs=0.1"]
    words += ["--set", "evaluation.benchmarks=[mmhal,mm_vet]"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    killed = subprocess.Popen(words, **quiet)
    wait_for(lambda: any(out.glob("runs/base-*/judgements/mmhal-*/identity.json")), 600)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "generate: 0/" in done.stderr  # the answers of the trained model; the base's were kept
    (table,) = (out / "tables").glob("comparison-tiny-judge-*.md")
    (row,) = [line for line in table.read_text("utf-8").splitlines() if line.startswith("| base")]
    assert re.findall(r"\d+\.\d+", row) == ["4.00", "0.0", "50.0"]
    for card in out.glob("runs/*/judgements/*/scorecard.json"):
        assert json.loads(card.read_text())["judge"].startswith("local:judge@")
