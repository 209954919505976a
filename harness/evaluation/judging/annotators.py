"""From the words of the command line to a judge and a tagger."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.types import Benchmark, LLMJudge, NounTagger, Token
from harness.errors import ConfigError
from harness.evaluation.judging.judge import Judge, OpenAIJudge, OracleJudge
from harness.evaluation.judging.replay import ReplayJudge, replay_files
from harness.evaluation.tagging.nouns import PhraseTagger, SpacyTagger, Tagger, find_nltk
from harness.llm.messages import ChatSettings

if TYPE_CHECKING:
    from harness.llm.chat import ChatService
    from harness.world.oracle import Oracle

DEFAULTS = ChatSettings()
LATER = "later"
"""In place of a judge: what a language model judges waits for the command `judge`."""


@dataclass(frozen=True)
class OracleTagger:
    """The tiny world's tagger, which knows its whole lexicon."""

    oracle: "Oracle"
    name: str = "oracle (tiny world)"

    def tag(self, texts: Sequence[str]) -> list[list[Token]]:
        """Return the tokens of each text."""
        return self.oracle.tag(texts)


@dataclass(frozen=True)
class Annotators:
    """Who answers what a benchmark asks; None where nobody was named."""

    judge: Judge | None
    taggers: dict[str, Tagger]
    """By the name that a benchmark's NounTagger has."""

    def describe(self, benchmark: Benchmark[Any], by: str = "") -> str:
        """Return judge and tagger of a benchmark as shown on its scorecard.

        Args:
            benchmark: What they answer.
            by: Who judged, if that is known better than by whom was asked.
        """
        annotator = benchmark.annotator
        names = []
        if isinstance(annotator, LLMJudge) and self.judge is not None:
            names.append(by or self.judge.name(annotator))
        tagger = tagger_of(benchmark)
        if tagger is not None:
            names.append(f"tagger: {self._tagger_name(annotator, tagger)}")
        return "; ".join(names) or "none"

    def asked(self, benchmark: Benchmark[Any]) -> str:
        """Return what decides the replies besides the questions."""
        annotator, judge = benchmark.annotator, self.judge
        if not isinstance(annotator, LLMJudge) or judge is None:
            return self.describe(benchmark)
        return self.describe(benchmark) + judge.manner(annotator)

    def _tagger_name(self, annotator: LLMJudge | NounTagger | None, tagger: NounTagger) -> str:
        """Return who tags; the recorded tags are those of somebody else."""
        judge = self.judge
        recorded = isinstance(judge, ReplayJudge) and annotator and judge.tagger_name(annotator)
        return recorded or self.tagger(tagger.name).name

    def tagger(self, name: str) -> Tagger:
        """Return the tagger that a benchmark asks for.

        Raises:
            ConfigError: There is no such tagger.
        """
        if name not in self.taggers:
            known = ", ".join(sorted(self.taggers))
            raise ConfigError(f"there is no tagger {name!r}. A benchmark can ask for: {known}.")
        return self.taggers[name]


def tagger_of(benchmark: Benchmark[Any]) -> NounTagger | None:
    """Return the benchmark's tagger, alone or behind its judge."""
    annotator = benchmark.annotator
    return annotator.tagger if isinstance(annotator, LLMJudge) else annotator


def find_annotators(
    judge: str | None,
    data: Path,
    settings: ChatSettings = DEFAULTS,
    runs: int = 1,
    service: "ChatService | None" = None,
    profile: str | None = None,
) -> Annotators:
    """Return the judge that is named and the taggers that go with it.

    Args:
        judge: `oracle`, `openai`, `openai:MODEL`, `local:MODEL`, `replay:FILE[,FILE...]` or
            `later`.
        data: Folder of the benchmark's data, beside which NLTK's data may lie.
        settings: How `openai` is reached.
        runs: How often `openai` judges every response.
        service: From `open_service`, so that several benchmarks share one budget.
        profile: What the model of `openai` accepts, see `harness.llm.profiles`.

    Raises:
        ConfigError: There is no such judge, or it needs a key and has none.
    """
    kind, _, argument = (judge or "").partition(":")
    if runs != 1 and kind != "openai":
        raise ConfigError(f"--judge-runs {runs} goes with --judge openai, not with {judge!r}.")
    if profile is not None and kind != "openai":
        raise ConfigError(f"a judge profile goes with --judge openai, not with {judge!r}.")
    if kind == "oracle":
        return _oracle(data)
    if kind == "openai":
        service = service or open_service(judge, settings)
        return Annotators(OpenAIJudge(argument or None, service, runs, profile), _taggers(data))
    if kind == "replay" and argument:
        return Annotators(ReplayJudge(*replay_files(argument)), _taggers(data))
    if kind == "local":
        from harness.evaluation.judging.local.opening import open_local

        return Annotators(open_local(argument), _taggers(data))
    if judge is None or judge == LATER:
        return Annotators(None, _taggers(data))
    raise ConfigError(
        f"there is no judge {judge!r}. Choose oracle, openai, openai:MODEL, local:MODEL, "
        "replay:FILE or later."
    )


def asked_about(benchmark: Benchmark[Any], judge: str | None) -> str | None:
    """Return whom to ask about one benchmark, where a judge is named for several.

    A model is asked about nothing that no language model judges; a folder of recorded replies holds
    one file for each benchmark, by its name.
    """
    kind, _, argument = (judge or "").partition(":")
    judged = isinstance(benchmark.annotator, LLMJudge)
    if kind == "replay" and argument and Path(argument).is_dir():
        file = Path(argument) / f"{benchmark.name}.jsonl"
        return f"replay:{file}" if judged or file.is_file() else None
    return None if kind in ("openai", "local") and not judged else judge


def open_service(judge: str | None, settings: ChatSettings = DEFAULTS) -> "ChatService | None":
    """Return the way to the model that `openai` names; None for every other judge.

    Raises:
        ConfigError: There is no key.
    """
    if (judge or "").partition(":")[0] != "openai":
        return None
    from harness.llm.chat import ChatService, default_store

    return ChatService(settings, default_store())


def runs_of(benchmark: Benchmark[Any], runs: int) -> int:
    """Return how often a benchmark is judged: once where it does not read several runs."""
    annotator = benchmark.annotator
    return runs if isinstance(annotator, LLMJudge) and annotator.several_runs else 1


def _oracle(data: Path) -> Annotators:
    world = _world_of(data)
    from harness.world.oracle import Oracle

    oracle = Oracle(world)
    tagger = OracleTagger(oracle)
    return Annotators(OracleJudge(oracle), {"nltk": tagger, "en_core_web_trf": tagger})


def _world_of(data: Path) -> Path:
    """Return the world folder above a benchmark's data."""
    for folder in (data, *data.parents):
        if (folder / "benchmarks").is_dir() and (folder / "base").exists():
            return folder
    raise ConfigError(
        f"the oracle judges the tiny world only, and {data} does not belong to one. "
        "Choose another judge, openai or replay:FILE."
    )


def _taggers(data: Path) -> dict[str, Tagger]:
    nltk = find_nltk(data)
    model = "en_core_web_trf"
    installed = all(map(importlib.util.find_spec, ("spacy", model)))
    phrases: Tagger = SpacyTagger(model) if installed else PhraseTagger(nltk)
    return {"nltk": nltk, model: phrases}


def tagged_json(tagger: Tagger, texts: Sequence[str]) -> str:
    """Return the tagger's reply as JSON: one list of [text, tag, lemma] per text."""
    return json.dumps(tagger.tag(texts), ensure_ascii=False)
