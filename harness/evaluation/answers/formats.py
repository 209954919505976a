"""File formats of saved answers: ours, those of the published scripts, and lmms-eval's samples.

A format is told by the fields of its first entry, never by the name of the file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.types import Response, Sample, SampleId
from harness.errors import ConfigError, DataError
from harness.evaluation.answers.entries import (
    PROMPTS,
    Entry,
    prompt_of,
    response_of,
    shown_fields,
    value_of,
)
from harness.evaluation.answers.fitting import holds
from harness.evaluation.answers.ids import text_ids

Entries = Sequence[Entry]
Reader = Callable[[Entries, Sequence[Sample]], list[Response]]
TEXTS = frozenset(
    {"response", "text", "answer", "model_answer", "resps", "filtered_resps", "answer of"}
)
"""Fields in which an answer stands."""
ANSWERED = frozenset({"answer_id", "model_id", "metadata", "metainfos"})
"""Fields that programs add to an answer, and that no published question has."""


@dataclass(frozen=True)
class Format:
    """One way to write answers down."""

    title: str
    fits: Callable[[Mapping[str, Any]], bool]
    """Tells the format from the fields of an entry."""
    read: Reader


def find_format(entries: Entries, name: str | None, source: str) -> str:
    """Return the name of the format that is asked for, or else that of the first entry.

    Raises:
        ConfigError: There is no such format.
        DataError: The first entry fits none.
    """
    if name is not None:
        if name not in FORMATS:
            raise ConfigError(f"there is no format {name!r}. Known: {', '.join(FORMATS)}.")
        return name
    first = entries[0].row
    _require_answer(first, source)
    found = next((name for name, form in FORMATS.items() if form.fits(first)), None)
    if found is None:
        known = "\n".join(f"  {name}: {form.title}" for name, form in FORMATS.items())
        raise DataError(
            f'{source}: expected {{"id": ..., "response": "..."}} or another known format, and the '
            f"first entry has {shown_fields(first)}. Known formats:\n{known}"
        )
    return found


def _require_answer(row: Mapping[str, Any], source: str) -> None:
    """Refuse the question files of LLaVA-Bench and AMBER, and templates that nobody filled in."""
    listed = {"question_id", "image", "category", "text"} <= set(row)
    asked = any(key in row for key in PROMPTS)
    inner = row.get("answer of")
    whole = isinstance(inner, dict) and any(key in inner for key in PROMPTS)
    unfilled = whole or (asked and not TEXTS & set(row))
    if unfilled or (listed and not asked and not ANSWERED & set(row)):
        raise DataError(
            f"{source}: expected answers, and the first entry, with {shown_fields(row)}, is a "
            "question: this is a file of questions or a template that is not filled in. Take the "
            "file that the model's answers were written to."
        )


def by_fields(id_key: str, *text_keys: str) -> Reader:
    """Return a reader of entries that name the sample in one field and answer it in another."""

    def read(entries: Entries, _samples: Sequence[Sample]) -> list[Response]:
        return [
            response_of(each, value_of(each, id_key), value_of(each, *text_keys))
            for each in entries
        ]

    return read


def by_place(entries: Entries, samples: Sequence[Sample]) -> list[Response]:
    """Read a filled-in template: the answers in the order of the questions."""
    if len(entries) != len(samples):
        source = entries[0].where.partition(", entry")[0]
        raise DataError(
            f"{source}: {len(entries)} answers in the order of the questions, and there are "
            f"{len(samples)} questions. Keep one entry per question; if it has them all, it is the "
            "template of another benchmark (MMHal-Bench's has 96)."
        )
    for entry, sample in zip(entries, samples, strict=True):
        _require_place(entry, sample)
    pairs = zip(entries, samples, strict=True)
    return [
        response_of(entry, sample.id, value_of(entry, "model_answer")) for entry, sample in pairs
    ]


def _require_place(entry: Entry, sample: Sample) -> None:
    asked = prompt_of(entry)
    if asked is not None and not holds(asked, sample.question):
        raise DataError(
            f"{entry.where}: the question is not the one at this place of the benchmark. "
            "Keep the order of the published file, or take the file of this benchmark."
        )


def by_line(entries: Entries, samples: Sequence[Sample]) -> list[Response]:
    """Read answers that RLAIF-V's scripts merge into a template by their lines.

    As they do, the name of a role is taken off. Unlike them, every line must hold its question.
    """
    if len(entries) != len(samples):
        raise DataError(
            f"{entries[0].where}: the entries name no sample, and {len(entries)} answers in the "
            f"order of the questions are not {len(samples)}. Keep one entry per question, or name "
            'the samples: {"id": ..., "response": "..."}.'
        )
    responses = []
    for entry, sample in zip(entries, samples, strict=True):
        _require_place(entry, sample)
        text = value_of(entry, "answer", "text")
        if isinstance(text, str):
            text = text.replace("Assistant:", "").strip()
        responses.append(response_of(entry, sample.id, text))
    return responses


def by_image(entries: Entries, samples: Sequence[Sample]) -> list[Response]:
    """Read muffin_vqa.py's answers: by the image where it names the sample, or else by line."""
    ids = [value_of(entry, "image_id") for entry in entries]
    known = {sample.id for sample in samples}
    asked = all(prompt_of(entry) is not None for entry in entries)
    strange = not any(isinstance(key, str | int) and key in known for key in ids)
    if strange and asked and len(entries) == len(samples):
        return by_line(entries, samples)
    return by_fields("image_id", "text", "answer")(entries, samples)


def by_key(entries: Entries, samples: Sequence[Sample]) -> list[Response]:
    """Read one JSON object of answers by id, whose keys are text where ids are numbers."""
    known = text_ids(samples)
    return [
        response_of(each, known.get(each.row["id"], each.row["id"]), value_of(each, "answer of"))
        for each in entries
    ]


def by_document(entries: Entries, samples: Sequence[Sample]) -> list[Response]:
    """Read lmms-eval's samples.

    It writes places instead of ids and leaves the documents out, so that the sample is found by an
    id that the task's own results hold, or else by its place. By place, all samples must be there,
    and a prompt that is written must hold the question.
    """
    known = {sample.id for sample in samples}
    responses = []
    for entry in entries:
        sample_id = _document_id(entry.row, known)
        if sample_id is None:
            sample_id = _at_place(entry, len(entries), samples).id
        responses.append(response_of(entry, sample_id, _generated(entry)))
    return responses


def _document_id(row: Mapping[str, Any], known: set[SampleId]) -> SampleId | None:
    for part in row.values():
        if isinstance(part, dict):
            for key in ("question_id", "image_id", "id"):
                value = part.get(key)
                if isinstance(value, str | int) and value in known:
                    return value
    return None


def _at_place(entry: Entry, count: int, samples: Sequence[Sample]) -> Sample:
    place = value_of(entry, "doc_id")
    whole = count == len(samples)
    if not whole or not isinstance(place, int) or not 0 <= place < len(samples):
        raise DataError(
            f"{entry.where}: doc_id {str(place)[:40]!r} is a place, and only a file of all "
            f"{len(samples)} samples of the benchmark can be read by place; this one has {count}. "
            "Keep the ids: write the answers as "
            '{"id": ..., "response": "..."}.'
        )
    sample, prompt = samples[place], entry.row.get("input")
    prompt = prompt[0] if isinstance(prompt, list) and prompt else prompt
    if isinstance(prompt, str) and sample.question.strip() not in prompt:
        raise DataError(
            f"{entry.where}: the prompt does not hold the question at place {place} of the "
            "benchmark, so the samples are in another order. Write the answers as "
            '{"id": ..., "response": "..."}.'
        )
    return sample


def _generated(entry: Entry) -> Any:
    """Return the text, which lmms-eval wraps in up to two lists."""
    value = value_of(entry, "filtered_resps", "resps")
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _has(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: all(key in row for key in keys)


def _is_muffin(row: Mapping[str, Any]) -> bool:
    inner = row.get("metainfos")
    named = "image_id" in row or (isinstance(inner, dict) and "image_id" in inner)
    return named and ("text" in row or "answer" in row)


def _is_line(row: Mapping[str, Any]) -> bool:
    return any(key in row for key in PROMPTS) and ("answer" in row or "text" in row)


ROWS = {
    "lmms-eval": Format(
        'lmms-eval\'s *_samples_*.jsonl, {"doc_id", "filtered_resps"}',
        lambda row: "doc_id" in row and ("filtered_resps" in row or "resps" in row),
        by_document,
    ),
    "harness": Format(
        'JSONL or a JSON list (AMBER) of {"id", "response"}',
        _has("id", "response"),
        by_fields("id", "response"),
    ),
    "mmhal": Format(
        'MMHal-Bench\'s template: a JSON list with "model_answer"', _has("model_answer"), by_place
    ),
    "muffin": Format(
        'Object HalBench, JSONL of {"image_id", "text" or "answer"} as muffin_vqa.py writes',
        _is_muffin,
        by_image,
    ),
    "llava": Format(
        'LLaVA-Bench, JSONL of {"question_id", "text"}',
        _has("question_id", "text"),
        by_fields("question_id", "text"),
    ),
    "id-text": Format(
        'JSONL or a JSON list of {"id", "text"}', _has("id", "text"), by_fields("id", "text")
    ),
    "rlaifv": Format(
        'MMHal-Bench, JSONL of {"question" or "prompt", "answer" or "text"} in the order of the '
        "questions, as RLAIF-V's scripts merge it",
        _is_line,
        by_line,
    ),
}
"""By the name that `--format` takes; the first that fits is taken."""
FORMATS = ROWS | {
    "mm_vet": Format('MM-Vet, a JSON object of {id: "answer"}', _has("id", "answer of"), by_key)
}
