"""Ask judge and tagger about every response, and keep what they reply.

Replies are appended to a JSONL file as they come, so that a killed run continues and a second one
asks nobody.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.types import Benchmark, LLMJudge, Response, Sample, SampleId
from harness.console import Tracker, track
from harness.errors import ConfigError, DataError
from harness.evaluation.annotators import Annotators, tagged_json, tagger_of
from harness.evaluation.judge import Question, ReplayJudge

QUIET_S = 2.0
"""Seconds before progress is shown."""

Pair = tuple[Sample, Response]


@dataclass(frozen=True)
class Annotation:
    """How the responses to one benchmark are annotated."""

    benchmark: Benchmark[Any]
    annotators: Annotators

    def needed(self, sample: Sample, response: Response) -> bool:
        """Tell whether anybody is asked about a response."""
        annotator = self.benchmark.annotator
        if isinstance(annotator, LLMJudge):
            return annotator.needed(sample, response)
        return annotator is not None and self.benchmark.request(sample, response) != ""

    def replies(self, sample: Sample, response: Response) -> list[str]:
        """Ask about one response; the tagger's reply follows the judge's.

        Raises:
            ConfigError: The benchmark needs a judge, and none was named.
            JudgeError: The judge did not answer.
        """
        judge, annotator = self.annotators.judge, self.benchmark.annotator
        replies = judge.recorded(sample.id) if isinstance(judge, ReplayJudge) else []
        if isinstance(annotator, LLMJudge):
            if judge is None:
                raise ConfigError(
                    f"benchmark '{self.benchmark.name}' needs a judge ({annotator.model}). "
                    "Choose one with --judge openai or --judge replay:FILE."
                )
            replies = judge.replies(
                Question(
                    benchmark=self.benchmark.name,
                    annotator=annotator,
                    sample=sample,
                    response=response,
                    request=lambda: self.benchmark.request(sample, response),
                )
            )
        tagger = tagger_of(self.benchmark)
        if tagger is None or self._ends_tagged(replies):
            return replies
        texts = tagger.texts(response, replies)
        return [*replies, tagged_json(self.annotators.tagger(tagger.name), texts)]

    def _ends_tagged(self, replies: Sequence[str]) -> bool:
        """Tell whether the last recorded reply is a tagger's."""
        annotator = self.benchmark.annotator
        if isinstance(annotator, LLMJudge) and not any(map(annotator.readable, replies[:-1])):
            return False
        return bool(replies) and is_tagged(replies[-1])

    def key(self, sample: Sample, response: Response) -> str:
        """Return a hash of everything that decides the replies."""
        parts = (
            self.annotators.describe(self.benchmark),
            self.benchmark.name,
            repr(sample.id),
            self.benchmark.request(sample, response),
            response.text,
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_tagged(reply: str) -> bool:
    """Tell whether a reply is a tagger's: a JSON list of lists of [text, tag, lemma]."""
    try:
        texts = json.loads(reply)
    except json.JSONDecodeError:
        return False
    return isinstance(texts, list) and all(
        isinstance(text, list) and all(isinstance(t, list) and len(t) == 3 for t in text)
        for text in texts
    )


def annotate(
    annotation: Annotation, pairs: Sequence[Pair], journal: Path | None
) -> dict[SampleId, list[str]]:
    """Return the replies about every response; none where nobody is asked.

    Args:
        annotation: Whom to ask, and about which benchmark.
        pairs: Samples with their responses.
        journal: File of replies to continue and extend; None keeps nothing. Recorded replies are
            not recorded again.
    """
    replies: dict[SampleId, list[str]] = {sample.id: [] for sample, _ in pairs}
    asked = [pair for pair in pairs if annotation.needed(*pair)]
    if journal is None or isinstance(annotation.annotators.judge, ReplayJudge):
        for pair, answer in _ask(annotation, asked):
            replies[pair[0].id] = answer
        return replies
    keys = {sample.id: annotation.key(sample, response) for sample, response in asked}
    known = read_journal(journal)
    with _appending(journal) as write:
        missing = [pair for pair in asked if keys[pair[0].id] not in known]
        for (sample, _), answer in _ask(annotation, missing):
            known[keys[sample.id]] = answer
            write({"id": sample.id, "key": keys[sample.id], "replies": answer})
    return replies | {sample_id: known[key] for sample_id, key in keys.items()}


def _ask(annotation: Annotation, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, list[str]]]:
    """Yield replies as they come, several questions at a time where the judge allows it."""
    judge = annotation.annotators.judge
    advance = _Progress(f"{annotation.benchmark.name}: replies", len(pairs))
    with advance:
        if judge is None or judge.concurrency == 1:
            for pair in pairs:
                yield pair, annotation.replies(*pair)
                advance()
            return
        with ThreadPoolExecutor(judge.concurrency) as pool:
            futures = {pool.submit(annotation.replies, *pair): pair for pair in pairs}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
                    advance()
            finally:
                # After an error or an interrupt nothing new is asked.
                pool.shutdown(wait=False, cancel_futures=True)


class _Progress:
    """Progress that stays silent about work that is done at once."""

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total = description, total
        self._start, self._done = time.monotonic(), 0
        self._stack = ExitStack()
        self._tracker: Tracker | None = None

    def __enter__(self) -> None:
        self._stack.__enter__()

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(self) -> None:
        self._done += 1
        if self._tracker is not None:
            self._tracker.advance()
        elif time.monotonic() - self._start > QUIET_S:
            self._tracker = self._stack.enter_context(track(self._description, self._total))
            self._tracker.advance(self._done)


def read_journal(path: Path) -> dict[str, list[str]]:
    """Return the replies by key; a line that was cut off by a kill is dropped.

    Raises:
        DataError: The file is something else.
    """
    if not path.exists():
        return {}
    # What follows the last newline was not written to its end.
    complete, _, _ = path.read_text("utf-8").rpartition("\n")
    try:
        rows = [json.loads(line) for line in complete.split("\n") if line]
        return {row["key"]: row["replies"] for row in rows}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of replies ({error!r}). Delete it to ask again."
        ) from error


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        _cut_torn_line(file)

        def write(row: Mapping[str, Any]) -> None:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()

        yield write


def _cut_torn_line(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, 2)
