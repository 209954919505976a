"""What a judge takes that runs on the run's own devices, once the answers are there."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.costs.devices import Devices
from harness.evaluation.judging.local.opening import engine_name
from harness.models.text import can_be_found, parsed, weight_bytes
from harness.planning.judge_plan import JudgePlan

PROPOSED = "Qwen/Qwen2.5-32B-Instruct"
"""Follows instructions without thinking aloud, and fits one device of 80 GB."""
WITHOUT_KEY = (
    f"Without a key there is --judge local:{PROPOSED}, an open model on your own devices; with the "
    "key of another provider, --judge openai:MODEL --judge-url URL; and --judge later trains and "
    "answers now, and the same command with a judge goes on"
)

_ROOM = 1.25
"""Of the weights: what they take with the memory of a batch."""
_PROMPT, _REPLY = 1000, 300
"""Tokens of a question and its reply where the data are not here."""
_GB = 1e9


@dataclass(frozen=True)
class _Speed:
    """How fast an engine judges on a GPU."""

    reading: float
    """Share of the peak while it reads questions."""
    batch: int
    """Replies that it writes at a time."""
    writing: float
    """Bytes of weights a second while it does."""
    known: str


_SPEEDS = {
    "transformers": _Speed(0.1, 64, 0.09e12, "measured on an H100 with 7.2 billion weights"),
    "vllm": _Speed(0.3, 64, 1e12, "assumed"),
}


def local_problems(words: str) -> Iterator[str]:
    """Yield why a judge `local:WORDS` cannot be had."""
    if not words:
        yield "judge local: names no model. Write local:FOLDER or local:owner/name[@revision]."
    elif not can_be_found(words):
        yield (
            f"judge local:{words}: there is no folder {parsed(words)[0]}, and it is no name on the "
            "hub. Write local:FOLDER or local:owner/name[@revision]."
        )


def local_note(words: str, devices: Devices, judging: JudgePlan | None, unread: int) -> str:
    """Say what a local judge takes, and what its numbers are not.

    Args:
        words: Model, with its revision where one is named.
        devices: Those of the run.
        judging: What is asked, where the data are here.
        unread: Most calls about benchmarks whose data are not.
    """
    return (
        f"judge local:{words} runs by {engine_name()} when the answers are there: "
        f"{_memory(words)}, {_time(words, devices, judging, unread)}. It is not the published "
        "judge, so its numbers stand in columns of their own; "
        f"`judge-card --judge local:{words}` says how far it is from that"
    )


def too_large(words: str, devices: Devices) -> Iterator[str]:
    """Yield that the weights do not fit the devices."""
    size, memory = weight_bytes(words), devices.count * devices.memory_bytes
    if size is not None and size * _ROOM > memory:
        yield (
            f"judge local:{words} needs {_memory(words)}, and {devices} have "
            f"{memory / _GB:.0f} GB. Name a smaller model."
        )


def _memory(words: str) -> str:
    size = weight_bytes(words)
    if size is None:
        return "memory is not known before the model is here"
    return f"about {size * _ROOM / _GB:.1f} GB of memory ({size / _GB:.1f} GB of weights)"


def _time(words: str, devices: Devices, judging: JudgePlan | None, unread: int) -> str:
    """Return the time: questions by arithmetic, replies by reading the weights once per token."""
    size, peak = weight_bytes(words), devices.bf16_flops
    calls = unread + (judging.calls if judging else 0)
    if size is None or peak is None:
        return f"time is not known for {calls:,} questions on {devices.name}"
    prompts, replies = unread * _PROMPT, unread * _REPLY
    if judging is not None:
        limit = judging.completion_tokens_limit
        prompts += judging.prompt_tokens_estimate
        replies += judging.calls * _REPLY if limit is None else limit
    speed = _SPEEDS[engine_name()]
    reading = prompts * size / (speed.reading * peak)  # two products for each weight of two bytes
    writing = replies / speed.batch * size / speed.writing
    return (
        f"about {_duration(reading + writing)} for {calls:,} questions ({speed.known}: "
        f"{speed.reading:.0%} of the peak for questions, {speed.batch} replies at a time at "
        f"{speed.writing / 1e12:g} TB/s of weights)"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{math.ceil(seconds / 60)} minutes"
