"""The data of the browser of questions: which models it shows, and every item in few bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.types import LLMJudge
from harness.report.answers import Answer, Item, read_items
from harness.report.gather import Gathered, Model
from harness.report.judgements import Judged
from harness.report.pictures import Pictures, Samples, samples_of
from harness.reporting.words import benchmark_name
from harness.settings.spec import drawn

_NO_WORDS = ("oracle", "none")
"""Kinds of judges that are asked nothing in words."""


@dataclass
class Lines:
    """Lines of prompts, each kept once: the prompts of a benchmark differ in few."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the lines of a text."""
        return [self._number(line) for line in text.split("\n")]

    def _number(self, line: str) -> int:
        if line not in self._places:
            self._places[line] = len(self.texts)
            self.texts.append(line)
        return self._places[line]


def shown_models(gathered: Gathered, every: bool) -> list[Model]:
    """Return the models whose answers are shown: of every row the first run, or every run.

    The base models of the worlds of those runs are among them.
    """
    if every:
        return list(gathered.models)
    bases = [one for one in gathered.models if one.result.method == "base"]
    first: dict[str, Model] = {}
    for one in sorted(gathered.models, key=lambda one: one.result.draw):
        if one.result.method != "base":
            first.setdefault(one.result.label, one)
    worlds = {one.result.world for one in first.values()}
    chosen = set(map(id, first.values()))
    return [
        one
        for one in gathered.models
        if id(one) in chosen or (one in bases and (one.result.world in worlds or not worlds))
    ]


def items_of(models: Sequence[Model], faults: list[str]) -> list[Item]:
    """Return the questions of the models' judgements, benchmark by benchmark."""
    judged = [
        (number, model.result.world, one)
        for number, model in enumerate(models)
        for one in model.judged.values()
    ]
    return [item for items in read_items(judged, faults).values() for item in items]


def browser_data(
    models: Sequence[Model],
    items: Sequence[Item],
    order: Mapping[str, int],
    pictures: Pictures,
    faults: list[str],
) -> dict[str, Any]:
    """Return what the page's script shows.

    Args:
        models: As the items number them.
        items: Those of the models.
        order: Of the benchmarks.
        pictures: Takes the pictures.
        faults: Get a line for every benchmark without pictures.
    """
    lines = Lines()
    files = dict(_files(models, items, faults))
    placed = sorted(items, key=lambda one: (one.world, order[one.benchmark]))
    rows = [
        _row(one, models, files.get((one.world, one.benchmark)), pictures, lines) for one in placed
    ]
    faults += _unreadable(placed, rows, files)
    return {
        "models": [_model(one, models) for one in models],
        "benchmarks": {name: benchmark_name(name) for name in order},
        "pictures": pictures.thumbnails,
        "full": pictures.folder.name if pictures.folder else None,
        "lines": lines.texts,
        "items": rows,
    }


def _model(model: Model, models: Sequence[Model]) -> dict[str, Any]:
    result = model.result
    others = [one for one in models if one.result.label == result.label]
    name = f"{result.label} {drawn(*result.draw)}" if len(others) > 1 else result.label
    return {"name": name, "base": result.method == "base", "world": result.world}


def _files(
    models: Sequence[Model], items: Sequence[Item], faults: list[str]
) -> Iterator[tuple[tuple[int, str], Samples | None]]:
    """Yield the benchmarks' own files by world and benchmark."""
    for world, name in dict.fromkeys((one.world, one.benchmark) for one in items):
        of_world = [one for one in models if one.result.world == world]
        judged = [one.judged[name] for one in of_world if name in one.judged]
        data = next((one.data for one in of_world if one.data is not None), None)
        yield (world, name), samples_of(data, judged, faults)


def _row(
    item: Item, models: Sequence[Model], files: Samples | None, pictures: Pictures, lines: Lines
) -> list[Any]:
    sample = files.by_id.get(item.id) if files else None
    picture = pictures.number(files.folder, sample) if files and sample else None
    answers = [
        _answer(number, answer, _prompt(item, number, models[number], files, lines))
        for number, answer in sorted(item.answers.items())
    ]
    types = list(item.types)
    return [item.benchmark, item.world, item.link, item.question, types, picture, answers]


def _answer(number: int, answer: Answer, prompt: list[int] | None) -> list[Any]:
    verdict = answer.verdict
    return [
        *(number, answer.text, verdict.state, verdict.told, verdict.value),
        *(answer.marks, answer.replies, prompt),
    ]


def _prompt(
    item: Item, number: int, model: Model, files: Samples | None, lines: Lines
) -> list[int] | None:
    """Return what a language model was asked about an answer, built again from the same files."""
    judged: Judged = model.judged[item.benchmark]
    judge = judged.identity.get("judge")
    kind = judge.get("kind") if isinstance(judge, Mapping) else None
    if files is None or kind in _NO_WORDS or not isinstance(files.benchmark.annotator, LLMJudge):
        return None
    text = files.prompt(item, number)
    return None if text is None else lines.numbers(text)


def _unreadable(
    items: Sequence[Item],
    rows: Sequence[list[Any]],
    files: Mapping[tuple[int, str], Samples | None],
) -> Iterator[str]:
    """Yield a line for every benchmark some of whose pictures cannot be read."""
    for (world, name), found in files.items():
        without = sum(
            row[5] is None
            for item, row in zip(items, rows, strict=True)
            if (item.world, item.benchmark) == (world, name)
        )
        if found is not None and without:
            yield f"{without} pictures of {name} in {found.folder} cannot be read."
