"""One judgement, made again from the answers and replies that are stored; nothing is written."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Response, Sample, Scorecard
from harness.errors import ConfigError, DataError, HarnessError
from harness.evaluation.answers.answers import pair, read_responses
from harness.evaluation.evaluate import evaluate
from harness.evaluation.generation.journal import responses_path
from harness.evaluation.items import Item, plain
from harness.evaluation.judging.annotate import Annotation
from harness.evaluation.judging.annotators import tagger_of
from harness.evaluation.judging.replies import Replies, read_rows
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD, read_scorecard
from harness.files.jsonlines import JsonLines, Row
from harness.files.sources import source_digest
from harness.identity.record import Record, name_of
from harness.registry import benchmark_module, load_benchmark
from harness.runs.rundir import RunDir
from harness.upkeep.verify.places import benchmark_data
from harness.upkeep.verify.stored import has_keys, stored_annotators
from harness.upkeep.verify.stored_scores import card_of_items
from harness.upstream.reading import read_data

_SHOWN = 5
"""Findings of one kind about items; of more, the number."""


@dataclass
class Checked:
    """What was looked at, what is wrong with it, and what is to know beside that."""

    name: str
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """What is stored of one judgement."""

    benchmark: Benchmark[Any]
    identity: Mapping[str, Any]
    card: Scorecard
    items: Mapping[Any, Row]
    """By id."""
    replies: Sequence[Row]
    answers: Path


def check_judgement(run: RunDir, folder: Path, data: Path | None) -> Checked:
    """Compare a judgement with what its answers and replies give.

    Args:
        run: The run that it belongs to.
        folder: That of the judgement.
        data: Holds the benchmarks' published files; None looks where the runs beside it say.
    """
    checked = Checked(folder.name)
    try:
        judged = _read(run, folder, checked.findings)
        if judged is not None:
            _compare(run, judged, data, checked)
    except (HarnessError, OSError) as error:
        checked.findings.append(" ".join(str(error).split()))
    return checked


def _read(run: RunDir, folder: Path, findings: list[str]) -> Judged | None:
    """Read a judgement; None, with findings, where a part of it is missing.

    Raises:
        HarnessError: A part is damaged.
    """
    record = Record.read(folder / IDENTITY)
    kind = _named(record.identity, "judge").get("kind")
    answers_of = _named(record.identity, "answers")
    name = str(answers_of.get("benchmark"))
    answers = responses_path(run.responses, f"{name}-{name_of(answers_of)}")
    needed = [SCORECARD, ITEMS, *([REPLIES] if kind != "replay" else [])]
    missing = [one for one in (*(folder / part for part in needed), answers) if not one.is_file()]
    findings += [f"{one.relative_to(run.path)} is missing" for one in missing]
    if folder.name != f"{name}-{name_of(record.identity)}":
        findings.append(f"{IDENTITY} is not of the judgement that the folder is named by")
    if missing:
        return None
    card = read_scorecard(folder / SCORECARD)
    if card.benchmark != name:
        raise DataError(f"the scorecard is of {card.benchmark!r}, and the answers are to {name!r}")
    return Judged(
        load_benchmark(name),
        record.identity,
        card,
        {row.get("id"): row for row in _rows(folder / ITEMS)},
        read_rows(folder / REPLIES),
        answers,
    )


def _named(identity: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = identity.get(key)
    if not isinstance(found, Mapping):
        raise ConfigError(f"{IDENTITY} lacks {key!r}, which this version reads")
    return found


def _rows(file: Path) -> list[Row]:
    try:
        return JsonLines(file).read()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name}: a line is damaged ({error})") from error


def _compare(run: RunDir, judged: Judged, data: Path | None, checked: Checked) -> None:
    """Add what differs, from the published files where they are here, else from stored scores."""
    benchmark, identity, card = judged.benchmark, judged.identity, judged.card
    for key, value in (("protocol", card.protocol), ("data", card.data)):
        if identity.get(key) != value:
            checked.findings.append(f"{key}: scorecard {value!r}, identity {identity.get(key)!r}")
    scorer = source_digest(benchmark_module(benchmark.name))
    if identity.get("scorer") != scorer:
        checked.notes.append("scored by another version of the scorer than this one")
    place = benchmark_data(run, benchmark, card.data, data)
    if place is None:
        checked.notes.append(
            f"from the stored scores: the data of {benchmark.name} ({card.data}) are not here"
        )
        made = card_of_items(benchmark, card, list(judged.items.values()))
        checked.findings += _stored_parts(judged)
        checked.findings += _unequal_cards(card, made)
    else:
        checked.findings += _again(judged, place)


def _again(judged: Judged, place: Path) -> Iterator[str]:
    """Score the answers again by the stored replies, and yield what differs."""
    benchmark, card = judged.benchmark, judged.card
    by = _named(judged.identity, "judge")
    judge, annotators = stored_annotators(benchmark, by, card)
    samples, _ = read_data(benchmark, place)
    given, _ = read_responses(judged.answers, samples)
    pairs = pair(benchmark, samples, given, judged.answers)
    judge.known, missing = _replies(judged, Annotation(benchmark, annotators), pairs)
    if missing:
        yield from _few(missing)
        return
    made = evaluate(benchmark, place, judged.answers, annotators, protocol=card.protocol)
    stored = dict(judged.items)
    yield from _few([line for item in made.items for line in _unequal_item(item, stored)])
    yield from _few([f"item {each!r} is stored, and has no answer" for each in stored])
    yield from _unequal_cards(card, made.scorecard)
    if has_keys(by) and made.scorecard.judge != card.judge:
        yield f"judge: stored {card.judge!r}, recomputed {made.scorecard.judge!r}"


def _replies(
    judged: Judged, annotation: Annotation, pairs: Sequence[tuple[Sample, Response]]
) -> tuple[dict[Any, Replies], list[str]]:
    """Return the stored replies by sample id, and a line for each that is missing."""
    by = _named(judged.identity, "judge")
    tags = tagger_of(judged.benchmark) is not None
    rows: dict[Any, Row] = {row["key"]: row for row in judged.replies}
    told = {row.get("id"): row for row in judged.replies}
    if by.get("kind") == "replay":
        told = {key: {"replies": row.get("replies", [])} for key, row in judged.items.items()}
    found: dict[Any, Replies] = {}
    missing: list[str] = []
    for sample, response in pairs:
        if not annotation.needed(sample, response):
            continue
        row = told.get(sample.id)
        if has_keys(by):
            row = rows.get(annotation.key(sample, response))
        if row is not None:
            found[sample.id] = Replies.of_row(row, with_tagger=tags)
        elif sample.id in told:
            missing.append(
                f"reply of item {sample.id!r} is missing: what is stored answers another question "
                "or another answer of the model"
            )
        else:
            missing.append(f"reply of item {sample.id!r} is missing")
    return found, missing


def _unequal_item(item: Item, stored: dict[Any, Row]) -> Iterator[str]:
    """Take an item out of the stored ones and yield in what it differs."""
    row = stored.pop(item.sample.id, None)
    if row is None:
        yield f"item {item.sample.id!r} is not in {ITEMS}"
        return
    made = plain(item.row())
    for key in sorted((row.keys() | made.keys()) - {"picture"}):
        if row.get(key) != made.get(key):
            yield (
                f"item {item.sample.id!r}, {key}: stored {_short(row.get(key))}, recomputed "
                f"{_short(made.get(key))}"
            )


def _stored_parts(judged: Judged) -> Iterator[str]:
    """Yield where answers and replies are not those that the items were scored with."""
    answers = {row.get("id"): row.get("response") for row in _rows(judged.answers)}
    replies = {row.get("id"): row for row in judged.replies}
    lines = [f"item {each!r} is not in {ITEMS}" for each in answers if each not in judged.items]
    lines += [f"item {each!r} has no answer" for each in judged.items if each not in answers]
    for each, row in judged.items.items():
        if each in answers and answers[each] != row.get("response"):
            lines.append(f"item {each!r}: its answer is not the one that was scored")
        said = row.get("replies") or []
        if each in replies:
            kept = Replies.of_row(replies[each], with_tagger=False).flat()
            if kept != said:
                lines.append(f"item {each!r}: its reply is not the one that was scored")
        elif said and _named(judged.identity, "judge").get("kind") != "replay":
            lines.append(f"reply of item {each!r} is missing")
    yield from _few(lines)


def _unequal_cards(stored: Scorecard, made: Scorecard) -> Iterator[str]:
    """Yield the numbers that differ; the difference may be as small as floats allow."""
    for part in ("official", "careful", "counts"):
        one, other = getattr(stored, part), getattr(made, part)
        for name in dict.fromkeys((*one, *other)):
            if not _equal(one.get(name), other.get(name)):
                yield (
                    f"{part} {name}: stored {one.get(name, 'nothing')}, recomputed "
                    f"{other.get(name, 'nothing')}"
                )


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (math.isnan(one) and math.isnan(other))


def _few(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"and {len(lines) - _SHOWN} more like these"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
