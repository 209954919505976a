"""What is there of a model's answers and their judgements, each named by what decides it."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from benchmarks.types import LLMJudge, Sample, Scorecard
from harness.console import messages
from harness.errors import DataError
from harness.evaluation.generation.journal import responses_path
from harness.evaluation.generation.samples import decoding_of, protocol_of, questions_hash
from harness.evaluation.guard.records import Guarded, read_record, record_path
from harness.evaluation.guard.tasks import GuardTask, code, guard_tasks, version
from harness.evaluation.judging.annotators import LATER, asked_about, runs_of
from harness.evaluation.judging.local.opening import identity
from harness.evaluation.judging.replay import replay_files
from harness.evaluation.scorecards import IDENTITY, ITEMS, SCORECARD, current_scorecard, stale
from harness.files.digests import content_digest, text_digest
from harness.files.sources import source_digest
from harness.identity.record import Record, name_of
from harness.identity.run import Run
from harness.llm.profiles import OFFICIAL, profile_of
from harness.models.sources import content_hash
from harness.registry import benchmark_module, load_benchmark
from harness.runs.rundir import RunDir
from harness.settings.spec import EvaluationSpec, ModelSpec
from harness.upstream.reading import place_of, read_data


@dataclass(frozen=True)
class Held:
    """One model under one way of asking and judging; every place is located.

    Answers are decided by the model's files, the questions with their pictures, template, transform
    and decoding. A judgement is decided by the answers, the judge as it is asked, the benchmark's
    files and the code that scores.
    """

    folder: RunDir
    checkpoint: str
    """Hash of the model's files."""
    model: ModelSpec
    asked: EvaluationSpec

    def answers(self, name: str) -> dict[str, Any]:
        """Return what decides the answers to a benchmark."""
        benchmark = load_benchmark(name)
        decoding = decoding_of(benchmark, self.asked.protocol, self.asked.max_new_tokens)
        return {
            "checkpoint": self.checkpoint,
            "benchmark": name,
            "questions": _questions(name, Path(self.asked.data)),
            "template": decoding.template or self.model.template,
            "image_transform": decoding.image_transform or self.model.image_transform,
            "decoding": dataclasses.asdict(decoding),
        }

    def judgement(self, name: str) -> dict[str, Any]:
        """Return what decides the judgement of the answers to a benchmark."""
        benchmark = load_benchmark(name)
        return {
            "answers": self.answers(name),
            "protocol": protocol_of(benchmark, self.asked.protocol),
            "data": _read(name, Path(self.asked.data)).version,
            "judge": self._judge(name),
            "scorer": source_digest(benchmark_module(name)),
        }

    def answers_name(self, name: str) -> str:
        """Return `<benchmark>-<digest>`, the name of the answers' file without its ending."""
        return self._named[name][0]

    def responses(self, name: str) -> Path:
        """Return the file of the answers to a benchmark."""
        return responses_path(self.folder.responses, self.answers_name(name))

    def judged(self, name: str) -> Path:
        """Return the folder of the judgement of a benchmark."""
        return self.folder.judgements / self._named[name][1]

    def judged_alike(self, name: str) -> list[Path]:
        """Return the folders of all judgements of these answers by this judge, whoever scored."""
        judgement = self.judgement(name)
        folders = []
        for folder in sorted(self.folder.judgements.glob(f"{name}-*")):
            try:
                found = Record.read(folder / IDENTITY).identity
            except DataError as error:
                messages.print(f"{folder.name} is left out: {error}", markup=False)
                continue
            if all(found.get(key) == judgement[key] for key in ("answers", "judge")):
                folders.append(folder)
        return folders

    @cached_property
    def _named(self) -> dict[str, tuple[str, str]]:
        return {
            name: (
                f"{name}-{name_of(self.answers(name))}",
                f"{name}-{name_of(self.judgement(name))}",
            )
            for name in self.asked.benchmarks
        }

    def unanswered(self) -> list[str]:
        """Return the benchmarks whose answers are not all there."""
        return [name for name in self.asked.benchmarks if not self.responses(name).exists()]

    def unjudged(self) -> list[str]:
        """Return the benchmarks without a scorecard, but for those whose judge comes later.

        A scorecard that is older than the answers or items beside it counts as none.
        """
        return [
            name
            for name in self.asked.benchmarks
            if not self._is_judged(name) and not self._waits(name)
        ]

    def _is_judged(self, name: str) -> bool:
        folder = self.judged(name)
        return (folder / SCORECARD).exists() and stale(folder) is None

    def _waits(self, name: str) -> bool:
        return self.asked.judge == LATER and isinstance(load_benchmark(name).annotator, LLMJudge)

    @property
    def is_judged(self) -> bool:
        """Whether nothing is left to answer or to judge."""
        return not self.unjudged() and (self.asked.judge != LATER or not self.unanswered())

    @property
    def is_finished(self) -> bool:
        """Whether that is so, and every task of the guard has its numbers."""
        return self.is_judged and not self.unguarded()

    def guarding(self, name: str) -> dict[str, Any]:
        """Return what decides the numbers of a task of the guard.

        Raises:
            DataError: Its documents are not here.
        """
        task = self._guard[name]
        return {
            "checkpoint": self.checkpoint,
            "task": name,
            "version": task.version,
            "config": task.config,
            "data": task.data(self.asked),
            "template": self.model.template,
            "image_transform": self.model.image_transform,
            "max_new_tokens": self.asked.max_new_tokens,
            "lmms_eval": version(),
            "code": code(),
        }

    def guard_name(self, name: str) -> str:
        """Return `<task>-<digest>`, the name of a record of the guard without its ending."""
        return f"{name}-{name_of(self.guarding(name))}"

    def unguarded(self) -> list[str]:
        """Return the tasks of the guard that have no numbers, whatever the reason."""
        numbers = {one.task for one in self.guarded() if not one.failed}
        return [name for name in dict.fromkeys(self.asked.guard) if name not in numbers]

    def guarded(self) -> list[Guarded]:
        """Return the records of the guard's tasks that are there, also of those that failed."""
        tasks = [
            name
            for name, task in self._guard.items()
            if not task.problem and task.missing(self.asked) is None
        ]
        files = [record_path(self.folder.path, self.guard_name(name)) for name in tasks]
        return [read_record(file) for file in files if file.exists()]

    @cached_property
    def _guard(self) -> dict[str, GuardTask]:
        return {task.name: task for task in guard_tasks(self.asked)} if self.asked.guard else {}

    def scorecards(self) -> dict[str, Scorecard]:
        """Return the scorecards that are there.

        Raises:
            ConfigError: One is damaged.
            DataError: One is older than the answers or items beside it.
        """
        files = {name: self.judged(name) / SCORECARD for name in self.asked.benchmarks}
        return {name: current_scorecard(file) for name, file in files.items() if file.exists()}

    def items(self) -> dict[str, Path]:
        """Return the files of judged items that are there, by benchmark."""
        files = {name: self.judged(name) / ITEMS for name in self.asked.benchmarks}
        return {name: file for name, file in files.items() if file.exists()}

    def _judge(self, name: str) -> dict[str, Any]:
        """Return who judges, as asked; how a judge is reached does not count."""
        benchmark = load_benchmark(name)
        words = asked_about(benchmark, self.asked.judge)
        if words is None:
            return {"kind": "none"}
        kind, _, argument = words.partition(":")
        if kind == "oracle":
            return {"kind": kind}
        if kind == "replay":
            return {"kind": kind, "replies": _recording(replay_files(argument))}
        if not isinstance(benchmark.annotator, LLMJudge):
            return {"kind": "none"}
        if kind == "local":
            return identity(argument)
        model = argument or benchmark.annotator.model
        runs = runs_of(benchmark, self.asked.judge_runs)
        asked = {"kind": kind, "model": model, "runs": runs}
        profile = profile_of(model, self.asked.judge_profile).decisive()
        # Judgements by the published scripts' models have names that are older than profiles.
        return asked if profile == OFFICIAL.decisive() else asked | {"profile": profile}


def of_run(run: Run) -> Held | None:
    """Return what is held of a run's own model; None while it is not trained."""
    folder = run.folder
    if not folder.model.exists():
        return None
    spec = run.located
    return Held(folder, content_hash(folder.model), spec.model, spec.evaluation)


def of_base(run: Run) -> Held:
    """Return what is held of the model that a run starts from."""
    return Held(run.base, run.base_content, run.located.model, run.located.evaluation)


def is_finished(run: Run) -> bool:
    """Say whether a run is trained, answered and judged as it was asked for."""
    held = of_run(run) if run.is_known else None
    return held is not None and held.is_finished


def begun(file: Path, identity: Mapping[str, Any]) -> None:
    """Write what decides a thing beside it, before it is begun."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        Record.now(identity).write(file)


@dataclass(frozen=True, eq=False)
class _Read:
    """The files of a benchmark, as they were read."""

    samples: tuple[Sample, ...]
    version: str
    questions: str


def _read(name: str, data: Path) -> _Read:
    """Read the files of a benchmark, once for as long as none of them changes."""
    folder = data / name
    files = [place_of(folder, one) for one in load_benchmark(name).files]
    stats = [file.stat() for file in files if file.is_file()]
    return _read_at(name, data, tuple((one.st_mtime_ns, one.st_size) for one in stats))


@lru_cache(maxsize=32)
def _read_at(name: str, data: Path, stamp: tuple[tuple[int, int], ...]) -> _Read:
    samples, version = read_data(load_benchmark(name), data / name)
    return _Read(tuple(samples), version, questions_hash(samples))


def _questions(name: str, data: Path) -> str:
    """Hash what a model is asked: the questions, and the contents of the pictures.

    There may be thousands of pictures, and a call asks often: they are looked at once a minute.
    """
    return _questions_at(name, data, _read(name, data), int(time.monotonic() // 60))


@lru_cache(maxsize=32)
def _questions_at(name: str, data: Path, found: _Read, _minute: int) -> str:
    files = [data / name / one.image for one in found.samples if isinstance(one.image, str)]
    return text_digest(found.questions, content_digest(lambda: files), digits=16)


def _recording(files: Sequence[Path]) -> str:
    """Hash recorded replies."""
    absent = next((file for file in files if not file.is_file()), None)
    if absent is not None:
        raise DataError(f"{absent}: there is no such file of replies. Name it with replay:FILE.")
    return content_digest(lambda: files)[:16]
