"""The judge that says what was recorded: here replies from other programs come in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, NounTagger, Sample, SampleId
from harness.console import messages
from harness.errors import ConfigError, JudgeError
from harness.evaluation.judging.judge import FreeJudge, Question
from harness.evaluation.judging.recordings.forms import OURS
from harness.evaluation.judging.recordings.matching import Heard, joined, located, require_runs
from harness.evaluation.judging.recordings.read import ORACLE, read_recording
from harness.evaluation.judging.recordings.stated import stated_samples
from harness.evaluation.judging.replies import Replies


def replay_files(argument: str) -> list[Path]:
    """Return the files of `replay:FILE[,FILE...]`; a file whose own name has a comma is one."""
    whole = Path(argument)
    names = [argument] if whole.is_file() else argument.split(",")
    return [Path(name.strip()) for name in names if name.strip()]


class ReplayJudge(FreeJudge):
    """Replies recorded earlier, in one of `recordings.forms.FORMS`; several files are runs.

    A tagger's reply stands in "tagged", or else behind the judge's, where its shape tells it.

    Raises:
        ConfigError: A file is named twice.
        DataError: A file holds no replies.
    """

    recorded = True

    def __init__(self, *paths: Path) -> None:
        if len({path.resolve() for path in paths}) < len(paths):
            raise ConfigError(
                "the judge replay: names a file twice. Each file is a run of its own."
            )
        self.paths = paths
        self._recordings = [read_recording(path) for path in paths]
        self._runs = 1
        self._replies: Heard = joined(self._recordings)

    @property
    def source(self) -> str:
        """The files, for messages."""
        return ", ".join(map(str, self.paths))

    def stated(self, benchmark: Benchmark[Any]) -> list[Sample] | None:
        """Return the samples as the files state them; None where they state too little."""
        return stated_samples(self._recordings, benchmark)

    def match(self, benchmark: Benchmark[Any], samples: Sequence[Sample]) -> None:
        """Find the sample of every reply, and check the replies as a whole.

        Raises:
            DataError: They are not about this benchmark, or are of too many or uneven runs.
        """
        annotator = benchmark.annotator
        judge = annotator if isinstance(annotator, LLMJudge) else None
        found = [located(one, benchmark, samples) for one in self._recordings]
        self._replies = joined(found, judge)
        if judge is not None:
            heard = {key: self._of(judge, key) for key in self._replies}
            self._runs = require_runs(self.source, benchmark, judge, heard)
        for one in self._recordings:
            if one.form != OURS:
                who = ", ".join(one.judges) or one.unnamed
                told = f"{one.path}: {len(one.said)} replies in the form {one.form}, by {who}"
                messages.print(told, markup=False)

    def name(self, annotator: LLMJudge) -> str:
        """Return who replied, as the files say; nobody is guessed."""
        judges = list(dict.fromkeys(judge for one in self._recordings for judge in one.judges))
        unnamed = [one.unnamed for one in self._recordings if not one.judges]
        runs = f", {self._runs} runs" if self._runs > 1 else ""
        who = ", ".join(dict.fromkeys([*judges, *unnamed]))
        if unnamed:
            return f"recorded replies of {who}{runs}"
        # Rows that a run wrote say for whom their judge stood in.
        official = judges in ([annotator.model], [ORACLE]) or " instead of " in who
        return (
            f"{who}{'' if official else f' instead of {annotator.model}'}{runs} (recorded replies)"
        )

    def tagger_name(self, annotator: LLMJudge | NounTagger) -> str | None:
        """Return who tagged, where the tags are recorded; None where they are not."""
        if all(self._of(annotator, key).tagged is None for key in self._replies):
            return None
        names = dict.fromkeys(one.tagger for one in self._recordings if one.tagger)
        return ", ".join(names) or "recorded, unnamed"

    def replies(self, question: Question) -> list[str]:
        """Return the recorded replies of all runs, one after the other."""
        if question.sample.id not in self._replies:
            raise JudgeError(
                f"{self.source}: no replies for sample {question.sample.id!r} of benchmark "
                f"'{question.benchmark}'. Record them, or choose another judge."
            )
        return list(self._of(question.annotator, question.sample.id).judge)

    def tagged(self, annotator: LLMJudge | NounTagger, sample_id: SampleId) -> str | None:
        """Return the tagger's reply if one is recorded."""
        return self._of(annotator, sample_id).tagged

    def _of(self, annotator: LLMJudge | NounTagger, sample_id: SampleId) -> Replies:
        recorded = self._replies.get(sample_id, Replies())
        if recorded.tagged is None and _ends_tagged(annotator, recorded.judge):
            return Replies(recorded.judge[:-1], recorded.judge[-1])
        return recorded


def _ends_tagged(annotator: LLMJudge | NounTagger, replies: Sequence[str]) -> bool:
    """Tell whether the last reply is a tagger's: behind a judge, it follows a readable one."""
    if isinstance(annotator, LLMJudge) and (
        annotator.tagger is None or not any(map(annotator.readable, replies[:-1]))
    ):
        return False
    return bool(replies) and is_tagged(replies[-1])


def is_tagged(reply: str) -> bool:
    """Tell whether a reply is a tagger's: a JSON list of lists of [text, tag, lemma]."""
    try:
        texts = json.loads(reply)
    except (ValueError, RecursionError):
        return False
    return isinstance(texts, list) and all(
        isinstance(text, list) and all(isinstance(t, list) and len(t) == 3 for t in text)
        for text in texts
    )
