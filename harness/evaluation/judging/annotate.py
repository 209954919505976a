"""Ask judge and tagger about every response, and keep what they reply.

Replies are appended to a JSONL file as they come, so that a killed run continues and a second one
asks nobody.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, Response, Sample, SampleId
from harness.console import Tracker, track
from harness.errors import ConfigError, JudgeError
from harness.evaluation.judging.annotators import Annotators, tagged_json, tagger_of
from harness.evaluation.judging.judge import Judge, Question
from harness.evaluation.judging.replies import Replies, appending, keep_only, read_journal, row
from harness.evaluation.judging.watch import Watch, state_of
from harness.files.digests import text_digest
from harness.llm.budget import Spent

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

    def replies(self, sample: Sample, response: Response) -> Replies:
        """Ask about one response: the judge first, then the tagger.

        Raises:
            ConfigError: The benchmark needs a judge, and none was named.
            JudgeError: The judge did not answer.
        """
        judge, annotator = self.annotators.judge, self.benchmark.annotator
        judged: list[str] = []
        by = ""
        if isinstance(annotator, LLMJudge):
            if judge is None:
                free = " or, to read the words of the answers without one, --judge none"
                raise ConfigError(
                    f"benchmark '{self.benchmark.name}' needs a judge ({annotator.model}). "
                    "Choose one with --judge openai or --judge replay:FILE"
                    f"{free if self.benchmark.judge_free else ''}."
                )
            judged = judge.replies(question_about(self.benchmark, annotator, sample, response))
            by = judge.answered_as(annotator)
        tagger = tagger_of(self.benchmark)
        if annotator is None or tagger is None:
            return Replies(tuple(judged), by=by)
        tagged = judge.tagged(annotator, sample.id) if judge else None
        if tagged is None:
            texts = tagger.texts(response, judged)
            tagged = tagged_json(self.annotators.tagger(tagger.name), texts)
        return Replies(tuple(judged), tagged, by)

    def is_refused(self, answer: Replies) -> bool:
        """Tell whether the judge refused to say anything about a response."""
        annotator = self.benchmark.annotator
        return isinstance(annotator, LLMJudge) and state_of(annotator, answer) == "refused"

    def forget(self, pair: Pair) -> None:
        """Drop what is stored about a response, so that the judge is asked anew."""
        judge, annotator = self.annotators.judge, self.benchmark.annotator
        if judge is not None and isinstance(annotator, LLMJudge):
            judge.forget(question_about(self.benchmark, annotator, *pair))

    def key(self, sample: Sample, response: Response) -> str:
        """Return a hash of everything that decides the replies."""
        parts = (
            self.annotators.asked(self.benchmark),
            self.benchmark.name,
            repr(sample.id),
            self.benchmark.request(sample, response),
            response.text,
        )
        return text_digest("\0".join(parts))


def question_about(
    benchmark: Benchmark[Any], annotator: LLMJudge, sample: Sample, response: Response
) -> Question:
    """Return what a judge is told about one response."""
    return Question(
        benchmark=benchmark.name,
        annotator=annotator,
        sample=sample,
        response=response,
        request=lambda: benchmark.request(sample, response),
    )


def annotate(
    annotation: Annotation, pairs: Sequence[Pair], journal: Path | None
) -> dict[SampleId, Replies]:
    """Return the replies about every response; none where nobody is asked.

    Args:
        annotation: Whom to ask, and about which benchmark.
        pairs: Samples with their responses.
        journal: File of replies to continue and extend; None keeps nothing. Recorded replies are
            not recorded again.
    """
    replies = {sample.id: Replies() for sample, _ in pairs}
    asked = [pair for pair in pairs if annotation.needed(*pair)]
    judge = annotation.annotators.judge
    if journal is None or (judge is not None and judge.recorded):
        for pair, answer in _ask(annotation, asked):
            replies[pair[0].id] = answer
        return replies
    keys = {sample.id: annotation.key(sample, response) for sample, response in asked}
    known = read_journal(journal, with_tagger=tagger_of(annotation.benchmark) is not None)
    refused = [key for key, one in known.items() if annotation.is_refused(one)]
    for key in refused:  # nobody was paid for these, and now they may be judged
        del known[key]
    missing = [pair for pair in asked if keys[pair[0].id] not in known]
    before = [known[key] for key in keys.values() if key in known]
    with appending(journal) as write:
        for (sample, _), answer in _ask(annotation, missing, before):
            known[keys[sample.id]] = answer
            write(row(sample.id, keys[sample.id], answer))
    if refused or len(known) > len(keys):
        # Rows about earlier answers go, so that the file can be replayed: one row per sample.
        keep_only(journal, (row(each, key, known[key]) for each, key in keys.items()))
    return replies | {sample_id: known[key] for sample_id, key in keys.items()}


def _ask(
    annotation: Annotation, pairs: Sequence[Pair], before: Sequence[Replies] = ()
) -> Iterator[tuple[Pair, Replies]]:
    """Yield replies as they come, and say how many are missing when the judge fails."""
    judge, name, done = annotation.annotators.judge, annotation.benchmark.name, 0
    _prepare(annotation, pairs)
    with _Progress(f"{name}: replies", len(pairs), judge) as advance:
        try:
            for answered in _watched(annotation, pairs, before):
                yield answered
                done += 1
                advance()
        except JudgeError as error:
            if judge is not None and judge.recorded:
                raise
            raise JudgeError(
                f"{error} Replies about {len(pairs) - done} of {len(pairs)} responses to "
                f"'{name}' are missing, so there is no score. Run the same command again: what "
                "was answered is kept and not paid twice."
            ) from error


def _watched(
    annotation: Annotation, pairs: Sequence[Pair], before: Sequence[Replies]
) -> Iterator[tuple[Pair, Replies]]:
    """Yield the replies of a judge that is paid for as long as they are worth it."""
    judge, annotator = annotation.annotators.judge, annotation.benchmark.annotator
    answers = _answers(annotation, pairs)
    if not isinstance(annotator, LLMJudge) or judge is None or judge.settings is None:
        yield from answers
        return
    watch = Watch(judge.settings, annotator, len(before) + len(pairs), before, annotation.forget)
    with closing(answers):  # nothing new is asked once the judge is given up
        for pair, answer in answers:
            yield from watch.kept(pair, answer)
        yield from watch.rest()


def _answers(
    annotation: Annotation, pairs: Sequence[Pair]
) -> Generator[tuple[Pair, Replies], None, None]:
    """Yield replies, several questions at a time where the judge allows it.

    After a failure nothing new is asked; the questions in flight are finished first.
    """
    judge = annotation.annotators.judge
    if judge is None or judge.concurrency == 1:
        for pair in pairs:
            yield pair, annotation.replies(*pair)
        return
    failure: Exception | None = None
    with ThreadPoolExecutor(judge.concurrency) as pool:
        futures = {pool.submit(annotation.replies, *pair): pair for pair in pairs}
        try:
            for future in as_completed(futures):
                try:
                    answer = future.result()
                except CancelledError:
                    continue
                except Exception as error:
                    failure = failure or error
                    _cancel(futures)
                else:
                    yield futures[future], answer
        except BaseException:
            _cancel(futures)
            judge.stop()
            raise
    if failure is not None:
        raise failure


def _prepare(annotation: Annotation, pairs: Sequence[Pair]) -> None:
    """Tell the judge all questions, so that one that can answers them together."""
    benchmark, judge = annotation.benchmark, annotation.annotators.judge
    annotator = benchmark.annotator
    if judge is not None and isinstance(annotator, LLMJudge):
        judge.prepare([question_about(benchmark, annotator, *pair) for pair in pairs])


def _cancel(futures: Iterable[Future[Replies]]) -> None:
    for future in futures:
        future.cancel()


class _Progress:
    """Progress that stays silent about work that is done at once."""

    def __init__(self, description: str, total: int, judge: Judge | None) -> None:
        self._description, self._total = description, total
        self._judge = judge
        self._before = self._spent()
        self._start, self._done = time.monotonic(), 0
        self._stack = ExitStack()
        self._tracker: Tracker | None = None

    def __enter__(self) -> "_Progress":
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(self) -> None:
        self._done += 1
        seconds = time.monotonic() - self._start
        if self._tracker is not None:
            self._tracker.advance(1, self._note(seconds))
        elif seconds > QUIET_S:
            self._tracker = self._stack.enter_context(track(self._description, self._total))
            self._tracker.advance(self._done, self._note(seconds))

    def _note(self, seconds: float) -> str:
        """Say what was paid; nothing where nothing is paid for."""
        spent, before = self._spent(), self._before
        if spent is None or before is None:
            return ""
        paid = spent.calls - before.calls
        recalled = spent.recalled - before.recalled
        return f"{paid / seconds:.1f} calls/s, {paid} paid, {recalled} recalled"

    def _spent(self) -> Spent | None:
        return None if self._judge is None else self._judge.spent
