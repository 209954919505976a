"""Generate the answers to several benchmarks: python -m harness.evaluation.generation.generate.

Runs in a process of its own, because lmms-eval seeds and patches the process it runs in. With
torchrun the samples are shared among the processes, one per GPU.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import DataError, HarnessError
from harness.evaluation.generation.journal import Journal, journal_paths, responses_path
from harness.evaluation.generation.samples import (
    GenerationTask,
    decoding_of,
    questions_hash,
    read_samples,
)
from harness.files.jsonlines import JsonLines
from harness.launchers.lifetime import die_with_parent
from harness.models.sources import model_folder
from harness.registry import load_benchmark
from harness.settings.spec import ModelSpec

if TYPE_CHECKING:
    from harness.evaluation.generation.adapter import JournaledLlava
    from harness.evaluation.generation.answerer import Llava


@dataclass(frozen=True)
class Request:
    """What to generate, with what, and where to put it."""

    model: str
    """Checkpoint folder, or hub id in the local hub cache."""
    data: Path
    out: Path
    benchmarks: tuple[str, ...]
    template: str
    transform: Literal["center_crop", "pad"]
    protocol: str
    batch_size: int
    revision: str | None = None
    max_new_tokens: int | None = None
    files: tuple[str, ...] = ()
    """Names of the benchmarks' files in `out`, without their endings; by default their own."""

    @property
    def named(self) -> dict[str, str]:
        """Benchmark -> name of its file."""
        return dict(zip(self.benchmarks, self.files or self.benchmarks, strict=True))


def generate(request: Request, shared_prefix: bool = True) -> None:
    """Write the file of answers of every benchmark that has none: {"id", "response"} a row.

    Rows stand in published order. What a killed run left in its journals is not generated again.

    Args:
        request: What to generate.
        shared_prefix: Whether questions about one image share the work on it; the answers are the
            same without.

    Raises:
        HarnessError: Data, protocol or journal do not fit.
        Exception: Whatever the model raises, out of memory included.
    """
    files = request.named
    names = [name for name in files if not responses_path(request.out, files[name]).exists()]
    if not names:
        return
    tasks = {name: _task(request, name) for name in names}
    # Imported late: takes many seconds, which neither finished benchmarks nor wrong data need.
    from harness.evaluation.generation.adapter import (
        JournaledLlava,
        compute_device,
        rank_and_world_size,
    )
    from harness.evaluation.generation.answerer import Llava

    folder = model_folder(ModelSpec(path=request.model, revision=request.revision))
    model = Llava(folder, request.template, request.transform, compute_device())
    llavas = {name: _asked_as(task, model, request) for name, task in tasks.items()}
    rank, processes = rank_and_world_size()
    journals = {name: _journal(request, llavas[name], tasks[name], rank) for name in names}
    adapter = JournaledLlava(llavas, tasks, journals, request.batch_size, shared_prefix)
    _run(adapter, tasks.values(), processes)
    if rank == 0:
        for name, task in tasks.items():
            _finish(request, task, _journal(request, llavas[name], task, rank))


def _task(request: Request, name: str) -> GenerationTask:
    benchmark = load_benchmark(name)
    return GenerationTask(
        name=name,
        samples=read_samples(benchmark, request.data),
        folder=request.data / name,
        decoding=decoding_of(benchmark, request.protocol, request.max_new_tokens),
    )


def _asked_as(task: GenerationTask, model: "Llava", request: Request) -> "Llava":
    """Return the model with the template and transform of the protocol, or else its own."""
    decoding = task.decoding
    return model.asked_with(
        decoding.template or request.template, decoding.image_transform or request.transform
    )


def _journal(request: Request, llava: "Llava", task: GenerationTask, rank: int) -> Journal:
    identity = {
        **llava.identity,
        "decoding": dataclasses.asdict(task.decoding),
        "questions": questions_hash(task.samples),
    }
    return Journal(request.out, request.named[task.name], identity, len(task.samples), rank)


def _run(adapter: "JournaledLlava", tasks: Iterable[GenerationTask], processes: int) -> None:
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    from harness.evaluation.generation.tasks import lmms_task

    simple_evaluate(
        model=adapter,
        tasks=[lmms_task(task, processes) for task in tasks],
        task_manager=TaskManager(include_defaults=False),
        predict_only=True,
        bootstrap_iters=0,
        process_docs_parallel=1,
        # Talks over gloo, and with one process over nothing at all.
        distributed_executor_backend="torchrun",
    )


def _finish(request: Request, task: GenerationTask, journal: Journal) -> None:
    """Turn complete journals into the file of answers."""
    missing = [sample.id for sample in task.samples if sample.id not in journal.answers]
    if missing:
        raise DataError(
            f"{journal.path}: {len(missing)} of {len(task.samples)} answers are missing, the first "
            f"for sample {missing[0]!r}. Run the same command again to generate them."
        )
    rows = [{"id": sample.id, "response": journal.answers[sample.id]} for sample in task.samples]
    name = request.named[task.name]
    JsonLines(responses_path(request.out, name)).rewrite(rows)
    for path in journal_paths(request.out, name):
        path.unlink()


def parse(arguments: Sequence[str] | None = None) -> Request:
    """Return the request that the command line states."""
    parser = argparse.ArgumentParser(prog="python -m harness.evaluation.generation.generate")
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--benchmarks", type=lambda names: tuple(names.split(",")), required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("--transform", choices=("center_crop", "pad"), required=True)
    parser.add_argument("--protocol", default="official")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--max-new-tokens", type=int)
    parser.add_argument("--files", type=lambda names: tuple(names.split(",")), default=())
    return Request(**vars(parser.parse_args(arguments)))


def main() -> int:
    """Generate, and return the exit code: 1 for errors that the user can act on."""
    die_with_parent()  # torch's launcher may stand between this process and who started it
    try:
        generate(parse())
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
