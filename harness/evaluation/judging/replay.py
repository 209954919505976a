"""The judge that says what was recorded: here replies from other programs come in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.types import FAILED_CALL, LLMJudge, NounTagger, SampleId
from harness.errors import DataError, JudgeError, in_words
from harness.evaluation.judging.judge import FreeJudge, Question
from harness.evaluation.judging.replies import Replies
from harness.llm.messages import well_formed


class ReplayJudge(FreeJudge):
    """Replies recorded earlier: JSONL of {"id", "replies"} or {"id", "runs": [[...], ...]}.

    A tagger's reply stands in "tagged", or else behind the judge's, where its shape tells it.
    """

    recorded = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[SampleId, Replies] = {}
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: cannot read the recorded replies ({in_words(error)})"
            ) from error
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._add(line, f"{path}:{number}")

    def _add(self, line: str, where: str) -> None:
        try:
            row = json.loads(line)
            runs = row["runs"] if "runs" in row else [row["replies"]]
            judged = tuple(_text(reply) for run in runs for reply in run)
            tagged = _text(row["tagged"]) if "tagged" in row else None
            sample_id = row["id"]
            known = sample_id in self._replies
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise DataError(
                f'{where}: expected {{"id": ..., "replies": [...]}} or "runs" ({in_words(error)})'
            ) from error
        if known:
            raise DataError(f"{where}: id {sample_id!r} stands twice. Keep one line per sample.")
        self._replies[sample_id] = Replies(judged, tagged)

    def name(self, annotator: LLMJudge) -> str:
        """Return the model that the benchmark asks for: the recording does not name another."""
        return f"{annotator.model} (recorded replies)"

    def replies(self, question: Question) -> list[str]:
        """Return the recorded replies of all runs, one after the other."""
        if question.sample.id not in self._replies:
            raise JudgeError(
                f"{self.path}: no replies for sample {question.sample.id!r} of benchmark "
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


def _text(reply: Any) -> str:
    """Return a reply as text; null is an empty reply, an error a refused call."""
    if isinstance(reply, dict) and "error" in reply:
        return FAILED_CALL
    if reply is None:
        return ""
    return well_formed(reply) if isinstance(reply, str) else json.dumps(reply)


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
