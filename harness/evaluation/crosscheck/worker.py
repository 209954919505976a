"""Run one of lmms-eval's own tasks on saved answers: the process behind `crosscheck`.

lmms-eval asks its judge through ours, so that every reply is paid once, a failed call is known as
one, and what is left of a check that cannot succeed any more is not asked at all.
"""

import argparse
import importlib.metadata
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lmms_eval import tasks as lmms_tasks
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.llm_judge import ProviderFactory, ServerConfig, ServerInterface
from lmms_eval.llm_judge import Request as JudgeRequest
from lmms_eval.llm_judge import Response as JudgeResponse

from benchmarks.types import Benchmark, Response, Sample
from harness.errors import HarnessError, JudgeError
from harness.evaluation.answers.answers import pair, read_responses
from harness.evaluation.crosscheck.crosscheck import LMMS_TASKS, CrossCheck, write_crosscheck
from harness.evaluation.crosscheck.values import VALUES, row_of
from harness.evaluation.generation.journal import responses_path
from harness.llm.chat import ChatRequest, ChatService, ChatSettings, default_store
from harness.registry import load_benchmark
from harness.upstream.reading import read_data

PROVIDER = "harness"
SPLITS = {"mmvet": "test", "llava_in_the_wild": "train"}
FOLDERS = {"mmvet": "mmvet", "llava_in_the_wild": "llava-in-the-wild"}
MOST_REPEATS = 10
"""How often a task may want the same reply: `mmvet` asks for ever while a grade exceeds 1."""
HOTTEST = 2.0
"""Temperature of the one reply that `mmvet` asks for and does not read."""


class Replay(lmms):  # type: ignore[misc]  # lmms-eval is untyped
    """A model that says what was said before."""

    is_simple = True

    def __init__(self, answers: Sequence[Response]) -> None:
        super().__init__()
        self._answers = answers

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """Return the saved answers; documents stand in their order."""
        return [self._answers[instance.args[3]].text for instance in requests]

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: there is nothing but answers."""
        raise NotImplementedError("saved answers have no likelihood")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: there is one answer to each question."""
        raise NotImplementedError("saved answers have one round")


class JudgeLog:
    """What the judge was asked and said, and why it failed first, if it did."""

    def __init__(self, service: ChatService) -> None:
        self._service = service
        self._asked: dict[ChatRequest, int] = defaultdict(int)
        self._replies: dict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
        self.failure: str | None = None

    def ask(self, request: ChatRequest) -> str:
        """Return the reply.

        Raises:
            JudgeError: This call failed, or one before it: lmms-eval catches it and goes on.
        """
        if self.failure is None:
            self._asked[request] += 1
            try:
                if self._asked[request] > MOST_REPEATS:
                    raise JudgeError("lmms-eval cannot read the judge's reply and keeps asking")
                text = self._service.ask(request).text
            except HarnessError as error:
                self.failure = self.failure or str(error)
            else:
                if request.temperature < HOTTEST:
                    self._replies[request.messages].append(text)
                return text
        raise JudgeError("the check is dropped, so nothing more is asked")

    def unread(self, readable: Callable[[str], bool]) -> int:
        """Return the number of questions to which no readable reply came."""
        return sum(not any(map(readable, replies)) for replies in self._replies.values())


def provider(log: JudgeLog) -> type[ServerInterface]:
    """Return the class that lmms-eval makes its judges of."""

    class StoredJudge(ServerInterface):  # type: ignore[misc]  # lmms-eval is untyped
        """lmms-eval's way to a judge, by way of ours."""

        def is_available(self) -> bool:
            return True

        def evaluate(self, request: JudgeRequest) -> JudgeResponse:
            config: ServerConfig = request.config or self.config
            messages = tuple(
                (str(message["role"]), str(message["content"]))
                for message in self.prepare_messages(request)
            )
            chat = ChatRequest(
                config.model_name, messages, float(config.temperature), config.max_tokens
            )
            return JudgeResponse(content=log.ask(chat), model_used=config.model_name)

    return StoredJudge


def check(name: str, responses: Path, data: Path, model: str, service: ChatService) -> CrossCheck:
    """Return what lmms-eval's task for a benchmark says about saved answers.

    Raises:
        HarnessError: Data or answers are wrong.
    """
    benchmark = load_benchmark(name)
    samples, _version = read_data(benchmark, data)
    answers, _format = read_responses(responses, samples)
    pairs = pair(benchmark, samples, answers, responses)
    log = JudgeLog(service)
    rows = _evaluate(LMMS_TASKS[name], benchmark, pairs, log, service.settings.workers)
    values = VALUES[name]
    unread = max(log.unread(values.readable), sum(map(values.failed, rows)))
    reason = log.failure
    if reason is None and unread:
        reason = f"lmms-eval could not read the judge's reply on {unread} of {len(rows)}"
    return CrossCheck(
        benchmark=name,
        task=LMMS_TASKS[name],
        values={} if reason else values.values(rows),
        judge=model,
        lmms_eval=importlib.metadata.version("lmms_eval"),
        samples=len(rows),
        dropped=reason,
    )


def _evaluate(
    task: str,
    benchmark: Benchmark[Any],
    pairs: Sequence[tuple[Sample, Response]],
    log: JudgeLog,
    workers: int,
) -> list[Mapping[str, Any]]:
    """Return what the task made of every answer."""
    ProviderFactory.register_provider(PROVIDER, provider(log))
    os.environ["API_TYPE"] = PROVIDER
    folder = Path(lmms_tasks.__file__).parent / FOLDERS[task]
    with tempfile.TemporaryDirectory() as name:
        os.environ["LMMS_EVAL_DATASETS_CACHE"] = name
        documents = Path(name) / "documents.jsonl"
        lines = (json.dumps(row_of(benchmark.name, sample)) + "\n" for sample, _ in pairs)
        documents.write_text("".join(lines), encoding="utf-8")
        results = simple_evaluate(
            model=Replay([response for _, response in pairs]),
            tasks=[
                {
                    "task": task,
                    "dataset_path": "json",
                    "dataset_kwargs": {"data_files": {SPLITS[task]: str(documents)}},
                }
            ],
            task_manager=lmms_tasks.TaskManager(include_path=str(folder), include_defaults=False),
            log_samples=True,
            bootstrap_iters=0,
            process_docs_parallel=workers,
            distributed_executor_backend="torchrun",
        )
    return [sample[VALUES[benchmark.name].metric] for sample in results["samples"][task]]


def check_all(
    run: Path, files: Mapping[str, str], data: Path, model: str, settings: ChatSettings
) -> None:
    """Write what lmms-eval's tasks say about a run, each as soon as it is known."""
    version = importlib.metadata.version("lmms_eval")
    service: ChatService | None = None
    for name, file in files.items():
        responses = responses_path(run / "responses", file)
        try:
            service = service or ChatService(settings, default_store())
            found = check(name, responses, data / name, model, service)
        except HarnessError as error:
            found = CrossCheck(name, LMMS_TASKS[name], {}, model, version, 0, str(error))
        write_crosscheck(run, file, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m harness.evaluation.crosscheck.worker")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--benchmarks", type=lambda names: names.split(","), required=True)
    parser.add_argument("--files", type=lambda names: names.split(","), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--judging", type=ChatSettings.model_validate_json, required=True)
    asked = parser.parse_args(arguments)
    files = dict(zip(asked.benchmarks, asked.files, strict=True))
    check_all(asked.run, files, asked.data, asked.model, asked.judging)


if __name__ == "__main__":
    main()
