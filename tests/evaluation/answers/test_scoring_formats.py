"""Answer files of other programs: the same answers, found by id or by place."""

import json

import pytest

from benchmarks.types import Response, Sample
from harness.errors import ConfigError, DataError
from harness.evaluation.answers.answers import read_responses

NUMBERED = [Sample(i, f"Question {i}?", "0.jpg") for i in range(3)]
NAMED = [Sample(f"v1_{i}", f"Question {i}?", "0.jpg") for i in range(3)]
TEXTS = ["A dog.", "", "Zwei\u2028Züge."]


def written(path, value, as_lines):
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in value) if as_lines else ""
    path.write_text(rows or json.dumps(value, indent=1), "utf-8")
    return path


def template(texts, ask="Question"):
    return [
        {"question": f"{ask} {i}?", "gt_answer": "", "model_answer": text}
        for i, text in enumerate(texts)
    ]


def documents(texts, shift=0):
    """As lmms-eval 0.7.3 writes samples: no document, one prompt, one or several replies."""
    return [
        {
            "doc_id": i,
            "target": "",
            "filtered_resps": text if i else [text],
            "doc_hash": "74234e98",
            "input": f"Question {i + shift}?\nAnswer.",
        }
        for i, text in enumerate(texts)
    ]


def rows_of(texts, id_key, text_key, start=""):
    return [{id_key: f"{start}{i}" if start else i, text_key: t} for i, t in enumerate(texts)]


@pytest.mark.parametrize(
    ("name", "samples", "value", "as_lines"),
    [
        ("harness", NUMBERED, rows_of(TEXTS, "id", "response"), True),
        ("harness", NAMED, rows_of(TEXTS, "id", "response", "v1_"), False),
        ("mmhal", NUMBERED, template(TEXTS), False),
        ("mm_vet", NAMED, {f"v1_{i}": text for i, text in enumerate(TEXTS)}, False),
        ("mm_vet", NUMBERED, {str(i): text for i, text in enumerate(TEXTS)}, False),
        ("llava", NUMBERED, rows_of(TEXTS, "question_id", "text"), True),
        ("muffin", NUMBERED, rows_of(TEXTS, "image_id", "text"), True),
        ("muffin", NUMBERED, [r | {"question_id": 9} for r in rows_of(TEXTS, "image_id", "answer")],
         True),
        ("muffin", NUMBERED,
         [{"metainfos": {"image_id": i}, "answer": text} for i, text in enumerate(TEXTS)], True),
        ("lmms-eval", NUMBERED, documents(TEXTS), True),
        ("lmms-eval", NAMED, documents(TEXTS)[::-1], True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("told", [False, True], ids=["found", "told"])
def test_every_format_holds_the_same_answers(tmp_path, name, samples, value, as_lines, told):
    path = written(tmp_path / "answers", value, as_lines)
    responses, found = read_responses(path, samples, name if told else None)
    assert found == name
    expected = [Response(s.id, text) for s, text in zip(samples, TEXTS, strict=True)]
    assert [responses[sample.id] for sample in samples] == expected


def test_samples_of_lmms_eval_are_found_by_the_id_in_their_results(tmp_path):
    """Its own MM-Vet task writes the question's id beside the grade; a part of them is enough."""
    row = {"doc_id": 0, "filtered_resps": "A dog.", "gpt_eval_score": {"question_id": "v1_2"}}
    path = written(tmp_path / "samples", [row], as_lines=True)
    assert read_responses(path, NAMED)[0] == {"v1_2": Response("v1_2", "A dog.")}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (documents(TEXTS)[:2], "only a file of all 3 samples"),
        (documents(TEXTS, shift=1), "does not hold the question at place 0"),
        ([row | {"doc_id": 3} for row in documents(TEXTS)], "only a file of all 3 samples"),
        ([row | {"doc_id": 0, "input": None} for row in documents(TEXTS)], "twice"),
        (template(TEXTS[:2]), "2 answers in the order of the questions, and there are 3"),
        (template(TEXTS, ask="Frage"), "the question is not the one at this place"),
        ([row | {"model_answer": 5} for row in template(TEXTS)], "must be text, found int"),
        ([{"doc_id": 0, "filtered_resps": ["a", "b"]}] * 3, "must be text, found list"),
    ],
)
def test_answers_by_place_are_taken_only_where_the_places_agree(tmp_path, value, told):
    path = written(tmp_path / "answers", value, as_lines=False)
    with pytest.raises(DataError, match=told):
        read_responses(path, NUMBERED)


def test_an_unknown_format_is_told_with_all_that_are_known(tmp_path):
    path = written(tmp_path / "answers", [{"caption": "A dog."}] * 2, as_lines=True)
    with pytest.raises(DataError, match=r"(?s)'caption'.*lmms-eval.*harness.*mmhal.*mm_vet"):
        read_responses(path, NUMBERED)
    with pytest.raises(ConfigError, match="no format 'csv'"):
        read_responses(path, NUMBERED, "csv")
