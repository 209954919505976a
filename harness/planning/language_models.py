"""What a run asks of language models: judges, and who splits responses into sub-sentences."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import registry
from harness.data.columns.catalog import GAP
from harness.errors import DataError, HarnessError
from harness.evaluation.judging.annotators import asked_about
from harness.evaluation.judging.replay import replay_files
from harness.files.hub_names import on_hub
from harness.llm.messages import ChatSettings
from harness.planning.local_judge import WITHOUT_KEY, local_problems
from harness.settings.method_columns import columns_of
from harness.settings.mixing import places_of
from harness.settings.places import in_world
from harness.settings.spec import EvaluationSpec, RunSpec

if TYPE_CHECKING:
    from harness.planning.judge_plan import JudgePlan

KEY = "OPENAI_API_KEY"


def key_problems(who: str, chat: ChatSettings) -> Iterator[str]:
    """Yield why an endpoint has no key."""
    if chat.key_file is not None:
        if not chat.key_file.is_file():
            yield f"{who}: there is no key file {chat.key_file}."
    elif not os.environ.get(KEY):
        yield (
            f"{who}: the environment variable {KEY} is not set. Export your key, or "
            "name a file that holds it: --judge-key-file FILE."
        )


def judge_problems(
    evaluation: EvaluationSpec, judging: ChatSettings, problems: list[str], missing: list[str]
) -> None:
    """Add why a judge cannot be asked about the benchmarks."""
    judge = evaluation.judge
    kind, _, file = judge.partition(":")
    asked = [asked_about(registry.load_benchmark(name), judge) for name in evaluation.benchmarks]
    if not any(asked):
        return
    if kind == "openai":
        missing += (f"{found} {WITHOUT_KEY}." for found in key_problems("judge openai", judging))
    elif kind == "local":
        problems += local_problems(file)
    elif kind == "replay":
        words = (one.partition(":")[2] for one in asked if one)
        files = dict.fromkeys(place for one in words for place in replay_files(one))
        absent = [str(place) for place in files if not place.exists()]
        if absent or not file:
            missing.append(f"judge {judge}: there is no {', '.join(absent) or 'file given'}.")
    elif kind not in {"replay", "oracle", "later"}:
        problems.append(
            f"Unknown judge {judge!r}. Known: oracle, openai, openai:MODEL, replay:FILE, "
            "local:MODEL, later."
        )


def computes_clip_gap(specs: Sequence[RunSpec]) -> bool:
    """Say whether clip_gap is computed for these runs, with a CLIP and of pieces of responses.

    It is where a method needs it and the data do not hold it; of data that are not here this is
    not known, and the answer is yes.
    """
    data = specs[0].data
    needed = any(GAP in columns_of(one.method) for one in specs)
    elsewhere = any(in_world(place) or on_hub(place) for place in places_of(data.preferences))
    if not needed or elsewhere:
        return needed
    from harness.data.pairs.opening import selected_pairs

    try:
        return GAP not in selected_pairs(data).columns
    except HarnessError:
        return True  # what is wrong with the data is told by those who read them


def judge_calls(
    evaluation: EvaluationSpec,
    runs: int,
    judging: ChatSettings,
    problems: list[str],
    missing: list[str],
) -> "tuple[JudgePlan | None, JudgePlan]":
    """Read all benchmarks; return what judging the runs and the base model asks.

    The second is of the benchmarks whose data are not here, by their published samples alone.
    """
    from benchmarks.types import LLMJudge
    from harness.evaluation.generation.samples import decoding_of
    from harness.evaluation.judging.annotators import runs_of
    from harness.planning.benchmark_data import missing_data
    from harness.planning.judge_plan import (
        NOTHING,
        Asked,
        assumed_pairs,
        judge_plan,
        runs_problems,
        unread_plan,
    )
    from harness.upstream.reading import read_data

    problems += runs_problems(evaluation)
    counted = evaluation.judge.partition(":")[0] in ("openai", "local")
    model = evaluation.judge.partition(":")[2] or None
    asked = Asked(model, evaluation.judge_profile, judging)
    total, known = NOTHING, not counted or not in_world(evaluation.data)
    unread = NOTHING
    for name in evaluation.benchmarks:
        benchmark = registry.load_benchmark(name)
        times = (runs + 1) * runs_of(benchmark, evaluation.judge_runs)
        try:
            decoding_of(benchmark, evaluation.protocol, evaluation.max_new_tokens)
            if not in_world(evaluation.data):
                folder = Path(evaluation.data) / name
                samples, _ = read_data(benchmark, folder)
                missing += missing_data(benchmark, samples, folder, evaluation.judge)
                if counted:
                    total += judge_plan(benchmark, assumed_pairs(samples), asked=asked) * times
        except DataError as error:
            missing.append(str(error))
            known = not counted
            if counted and isinstance(benchmark.annotator, LLMJudge):
                unread += unread_plan(benchmark, benchmark.annotator, judging) * times
        except HarnessError as error:
            problems.append(str(error))
    return (total if known else None), unread
