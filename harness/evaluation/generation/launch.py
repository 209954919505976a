"""Start the process that generates answers, show its progress and report its failure."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from harness.console import Tracker, messages, track
from harness.errors import HarnessError
from harness.evaluation.generation.journal import progress_of, responses_path
from harness.evaluation.generation.samples import protocol_of
from harness.files.faults import in_log, told, unwritable
from harness.launchers.interpreter import safe_paths
from harness.launchers.logged import run_logged
from harness.registry import load_benchmark
from harness.settings.spec import EvaluationSpec, ModelSpec

TAIL_LINES = 20


def generate(
    model: str | Path,
    spec: EvaluationSpec,
    model_spec: ModelSpec,
    data: Path,
    out: Path,
    log: Path,
    threads: int | None = None,
    processes: int = 1,
    files: Mapping[str, str] | None = None,
) -> None:
    """Generate the answers of `model` to all benchmarks of `spec`, a file of `out` for each.

    Returns at once when they are there; continues where a stopped run ended.

    Args:
        model: Checkpoint folder, or hub id in the local hub cache.
        spec: Benchmarks, protocol and batch size.
        model_spec: Template and image transform; its `path` is not read.
        data: Folder of the benchmarks' data folders.
        out: Folder of the answers and their journals.
        log: File that gets the output of the process.
        threads: CPU threads of each process; by default what torch chooses.
        processes: How many share the samples, one per GPU.
        files: Benchmark -> name of its file without the ending; by default the benchmark's.

    Raises:
        HarnessError: The process failed; the message holds the end of its log.
    """
    named = files or {name: name for name in spec.benchmarks}
    left = {
        name: named[name]
        for name in spec.benchmarks
        if not responses_path(out, named[name]).exists()
    }
    if not left:
        return
    _name_fallbacks(tuple(left), spec.protocol)
    command = _command(str(model), left, spec, model_spec, data, out, processes)
    messages.print("generate: loading the model")
    with _Followed(out, tuple(left.values())) as followed:
        code = run_logged(command, log, _environment(threads), followed.look)
    if code != 0:
        if refused := in_log(_words(log)) or unwritable(log):
            raise HarnessError(f"Answers: {told(refused)} All that was said: {log}")
        raise HarnessError(
            f"Generating answers failed with exit code {code}; the end of {log}:\n"
            f"{_tail(log)}\n"
            "Answers up to here are kept: the same command continues. If memory ran out, lower it "
            "with: --set evaluation.batch_size=1"
        )


def _name_fallbacks(names: Sequence[str], protocol: str) -> None:
    """Say which benchmarks the protocol says nothing about."""
    for name in names:
        used = protocol_of(load_benchmark(name), protocol)
        if used != protocol:
            messages.print(
                f"{name} has no protocol '{protocol}'; it is answered under '{used}'", markup=False
            )


def _command(
    model: str,
    files: Mapping[str, str],
    spec: EvaluationSpec,
    model_spec: ModelSpec,
    data: Path,
    out: Path,
    processes: int,
) -> list[str]:
    launcher = ["-m"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(processes), "-m"]
    arguments = {
        "--model": model,
        "--revision": None if Path(model).is_dir() else model_spec.revision,
        "--data": data,
        "--out": out,
        "--benchmarks": ",".join(files),
        "--files": ",".join(files.values()),
        "--template": model_spec.template,
        "--transform": model_spec.image_transform,
        "--protocol": spec.protocol,
        "--batch-size": spec.batch_size,
        "--max-new-tokens": spec.max_new_tokens,
    }
    stated = [f"{flag}={value}" for flag, value in arguments.items() if value is not None]
    return [sys.executable, *launcher, "harness.evaluation.generation.generate", *stated]


def _environment(threads: int | None) -> dict[str, str]:
    environment = os.environ | safe_paths()
    environment |= {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if threads is not None:
        environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return environment


class _Followed:
    """The progress of a process that generates: nothing before its model is loaded."""

    def __init__(self, out: Path, names: Sequence[str]) -> None:
        self._out, self._names = out, names
        self._tracker: Tracker | None = None
        self._done = 0
        self._open = ExitStack()

    def look(self) -> None:
        """Show how many answers are on the disk."""
        if self._tracker is None:
            totals = [progress_of(self._out, [name])[1] for name in self._names]
            if not all(totals):  # the process has not opened all journals yet
                return
            self._tracker = self._open.enter_context(track("generate", sum(totals)))
        done, _ = progress_of(self._out, self._names)
        self._tracker.advance(done - self._done)
        self._done = done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()


def _words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _tail(log: Path) -> str:
    return "\n".join(_words(log).splitlines()[-TAIL_LINES:])
