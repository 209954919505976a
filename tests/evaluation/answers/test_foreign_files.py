"""Files that are no answers, or another benchmark's: refused, with what a person can do."""

import json

import pytest

from benchmarks.types import Response, Sample
from harness.errors import DataError
from harness.evaluation.answers.answers import pair, read_responses
from harness.registry import load_benchmark

MMHAL, AMBER, MM_VET = map(load_benchmark, ("mmhal", "amber", "mm_vet"))
ASKED = ["What is on the table?", "Who is there?"]
NUMBERED = [Sample(i, text, "0.jpg") for i, text in enumerate(ASKED)]
NAMED = [Sample(f"v1_{i}", text, "0.jpg") for i, text in enumerate(ASKED)]
DESCRIBED = [Sample(i, "Describe this image.", "0.jpg", "generative") for i in (1, 2)]


def paired(folder, rows, benchmark, samples):
    path = folder / "answers"
    path.write_text(
        json.dumps(rows) if isinstance(rows, dict) else "\n".join(map(json.dumps, rows))
    )
    responses, form = read_responses(path, samples)
    return [response for _, response in pair(benchmark, samples, responses, path)], form


def asked(prompts, **more):
    return [
        {"question_id": i, "prompt": prompt, "text": "A cup."} | more
        for i, prompt in enumerate(prompts)
    ]


@pytest.mark.parametrize(
    ("asked_as", "samples", "rows"),
    [
        (AMBER, DESCRIBED, [{"question_id": 1, "image": "1.jpg", "text": "Describe this image."}]),
        (AMBER, DESCRIBED, [{"id": 1, "image": "1.jpg", "query": "Describe this image."}]),
        (MM_VET, NAMED, [{"question_id": i, "text": f"<image>\n{t}"} for i, t in enumerate(ASKED)]),
        (MMHAL, NUMBERED, [{"question_id": i, "image": "0.jpg", "category": "conv", "text": "How?"}
                           for i in range(2)]),
        (MMHAL, NUMBERED, [{"question": text, "gold_answer": "So."} for text in ASKED]),
        (MM_VET, NAMED, {"v1_0": {"question": ASKED[0], "answer": "So."}}),
    ],
    ids=["a text", "a query", "with image tokens", "by its fields", "a template", "by its ids"],
)  # fmt: skip
def test_a_file_of_questions_is_no_file_of_answers(tmp_path, asked_as, samples, rows):
    with pytest.raises(DataError, match="file of questions"):
        paired(tmp_path, rows, asked_as, samples)


@pytest.mark.parametrize(
    "prompts",
    [
        ASKED,
        [f"<image>\n{ASKED[0]}", f"USER: <image> {ASKED[1]} ASSISTANT:"],
        [f"{text}\nAnswer the question using a single word or phrase." for text in ASKED],
        [ASKED[0].lower().removesuffix("?"), "  Who   is there?  "],
    ],
)
def test_a_prompt_that_holds_the_question_fits(tmp_path, prompts):
    assert len(paired(tmp_path, asked(prompts), MMHAL, NUMBERED)[0]) == 2


def test_a_prompt_of_another_protocol_fits(tmp_path):
    rows = [{"question_id": 1, "prompt": "Describe the image in detail.", "text": "A dog."}]
    assert paired(tmp_path, rows, AMBER, DESCRIBED)[0] == [Response(1, "A dog.")]


@pytest.mark.parametrize("field", ["prompt", "question", "query"])
def test_answers_to_other_questions_are_refused_and_the_first_is_named(tmp_path, field):
    """As POPE's answers are, whose ids are also AMBER's."""
    rows = [{"question_id": i, field: "Is there a cat?", "text": "yes"} for i in (1, 2)]
    with pytest.raises(DataError, match=r"for sample 1, 'Is there a cat\?', is not the question"):
        paired(tmp_path, rows, AMBER, DESCRIBED)


@pytest.mark.parametrize(
    "rows",
    [
        [{"id": i, "text": "A cup."} for i in range(2)],
        [{"question_id": str(i), "text": "A cup."} for i in range(2)],
        asked(ASKED)[:1],
        {"0": "A cup.", "1": "A cup."},
        [{"id": f"v1_{i}", "text": "A cup."} for i in range(2)],
    ],
    ids=["numbers", "as text", "some, with prompts", "by id", "whole ids"],
)
def test_bare_numbers_are_the_ids_behind_what_all_have_in_common(tmp_path, rows):
    found, _ = paired(tmp_path, rows, MM_VET, NAMED)
    assert found == [Response(f"v1_{i}", "A cup.") for i in range(len(found))]
    assert len(found) == len(rows)


@pytest.mark.parametrize(
    ("rows", "samples", "told"),
    [
        ([{"id": 0, "text": "A cup."}], NAMED, "If 0 is meant to be 'v1_0'"),
        (asked(ASKED[::-1])[:1], NAMED, "If 0 is meant to be 'v1_0'"),
        ([{"id": "AMBER_1.jpg", "text": "A dog."}], DESCRIBED, "'AMBER_1.jpg' is meant to be 1,"),
        ([{"id": "1", "text": "A dog."}], DESCRIBED, "here numbers: 1, not '1'"),
        ([{"id": "v2_900", "text": "A dog."}], NAMED, "Is this the file of another benchmark?"),
    ],
)
def test_ids_in_another_spelling_are_not_called_another_benchmark_s(tmp_path, rows, samples, told):
    with pytest.raises(DataError) as caught:
        paired(tmp_path, rows, MM_VET, samples)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": None, "text": "Assistant: A cup."},
        {"question": None, "answer": "A cup.", "image_id": "df62a56f"},
        {"question": None, "answer": "A cup.", "metainfos": {"image_id": "df62a56f"}},
    ],
)
def test_answers_that_rlaif_v_s_scripts_merge_by_line_are_read_by_line(tmp_path, row):
    rows = [{key: text if value is None else value for key, value in row.items()} for text in ASKED]
    found, form = paired(tmp_path, rows, MMHAL, NUMBERED)
    assert found == [Response(i, "A cup.") for i in range(2)]
    assert form in ("rlaifv", "muffin")
    with pytest.raises(DataError, match="not the one at this place"):
        paired(tmp_path, rows[::-1], MMHAL, NUMBERED)
    with pytest.raises(DataError):
        paired(tmp_path, rows[:1], MMHAL, NUMBERED)


def test_mmhal_s_template_given_to_another_benchmark_is_named(tmp_path):
    rows = [{"question": f"How {i}?", "model_answer": "So."} for i in range(5)]
    with pytest.raises(DataError, match=r"template of another benchmark \(MMHal-Bench's has 96\)"):
        paired(tmp_path, rows, MM_VET, NAMED)


def test_an_entry_that_lacks_a_field_is_not_said_to_be_like_the_first(tmp_path):
    with pytest.raises(DataError, match="as entries of this format have"):
        paired(tmp_path, [{"id": 0, "text": "A cup."}, {"id": 1}], MMHAL, NUMBERED)
