"""A judge and a tagger that say what is stored, and are never asked anything else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.types import Benchmark, LLMJudge, NounTagger, SampleId, Scorecard, Token
from harness.errors import DataError
from harness.evaluation.judging.annotators import Annotators, tagger_of
from harness.evaluation.judging.judge import ORACLE_NAME, FreeJudge, Question, label_of_model
from harness.evaluation.judging.replies import Replies
from harness.files.digests import digest_of

_TAGGER = re.compile(r"(?:^|; )tagger: ([^;]*)")


class StoredJudge(FreeJudge):
    """The judge of a judgement that is there already.

    Args:
        name: As the judge was called when it was asked.
        manner: What decided its replies besides the name.
    """

    recorded = True

    def __init__(self, name: str, manner: str = "") -> None:
        self.known: Mapping[SampleId, Replies] = {}
        self._name, self._manner = name, manner

    def name(self, _annotator: LLMJudge) -> str:
        """Return how the judge was called when it was asked."""
        return self._name

    def manner(self, _annotator: LLMJudge) -> str:
        """Return what decided the replies besides the name."""
        return self._manner

    def answered_as(self, _annotator: LLMJudge) -> str:
        """Return who answered, as it is stored with the replies."""
        return next((one.by for one in self.known.values() if one.by), "")

    def replies(self, question: Question) -> list[str]:
        """Return the stored replies."""
        return list(self.known[question.sample.id].judge)

    def tagged(self, _annotator: LLMJudge | NounTagger, sample_id: SampleId) -> str | None:
        """Return the stored reply of the tagger."""
        return self.known[sample_id].tagged


class _StoredTagger:
    """Has the name of the tagger that was asked, and tags nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Refuse.

        Raises:
            DataError: Always: what was tagged is stored, or it is missing.
        """
        raise DataError(f"the tagger's reply about {len(texts)} texts is missing")


def stored_annotators(
    benchmark: Benchmark[Any], judged_by: Mapping[str, Any], card: Scorecard
) -> tuple[StoredJudge, Annotators]:
    """Return who judged, and the same beside its tagger; neither key nor network is needed.

    Args:
        benchmark: What was judged.
        judged_by: The judge in the identity of the judgement.
        card: Its scorecard, which names the tagger.
    """
    judge = StoredJudge(_name(benchmark, judged_by, card), _manner(judged_by))
    tagger, told = tagger_of(benchmark), _TAGGER.search(card.judge)
    taggers = {tagger.name: _StoredTagger(told[1] if told else "")} if tagger else {}
    return judge, Annotators(judge, dict(taggers))


def has_keys(judged_by: Mapping[str, Any]) -> bool:
    """Tell whether the keys of stored replies can be made anew from an identity.

    Those of a local judge hang on a name that no identity holds; recorded replies have none.
    """
    return judged_by.get("kind") in ("openai", "oracle", "none")


def _name(benchmark: Benchmark[Any], judged_by: Mapping[str, Any], card: Scorecard) -> str:
    annotator, kind = benchmark.annotator, judged_by.get("kind")
    if kind == "openai" and isinstance(annotator, LLMJudge):
        model = str(judged_by.get("model"))
        return label_of_model(annotator, model, model, int(judged_by.get("runs", 1)))
    return ORACLE_NAME if kind == "oracle" else card.judge.partition(";")[0]


def _manner(judged_by: Mapping[str, Any]) -> str:
    profile = judged_by.get("profile")
    return "" if profile is None else digest_of(profile)
