"""Files of recorded replies: every form, who replied, and what is refused as a whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.types import FAILED_CALL, Sample
from harness.errors import ConfigError, DataError
from harness.evaluation.judging.recordings.matching import runs_of_replies
from harness.evaluation.judging.recordings.read import read_recording
from harness.evaluation.judging.replay import ReplayJudge, replay_files
from harness.identity.record import Record
from harness.registry import load_benchmark

MMHAL, LLAVA, MM_VET = map(load_benchmark, ("mmhal", "llava_bench", "mm_vet"))
NUMBERED = [Sample(i, f"Question {i}?", "0.jpg", "conv") for i in range(2)]
NAMED = [Sample(f"v1_{i}", f"Question {i}?", "0.jpg") for i in range(2)]
EXPECTED = 'expected {"id": ..., "replies": [...]}'


def completion(text, model="gpt-9"):
    message = {"role": "assistant", "content": text}
    return {"id": "x", "model": model, "choices": [{"index": 0, "message": message}]}


def review(number, text, **more):
    return {"id": number + 1, "question_id": number, "content": text, "tuple": [-1, -1]} | more


def grade(*texts, model="gpt-9"):
    return {"model": [model] * len(texts), "content": list(texts), "score": [0.0] * len(texts)}


def merged(number, text):
    return {"question": f"Question {number}?", "model_answer": "So.", "gpt4_review": text}


def written(path, value):
    """A JSON object as it is, rows as lines."""
    rows = [value] if isinstance(value, dict) else value
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def heard(tmp_path, value, benchmark=MMHAL, samples=NUMBERED, name="replies.json"):
    judge = ReplayJudge(written(tmp_path / name, value))
    judge.match(benchmark, samples)
    return judge, {
        sample.id: list(judge._of(benchmark.annotator, sample.id).judge) for sample in samples
    }


@pytest.mark.parametrize(
    ("asked_as", "samples", "value", "said", "named"),
    [
        (MMHAL, NUMBERED, [completion("Rating: 1"), completion(None)], ["Rating: 1", ""], "gpt-9"),
        (MMHAL, NUMBERED, [completion("a"), {"error": {"code": 429}}], ["a", FAILED_CALL], "gpt-9"),
        (MMHAL, NUMBERED, [merged(0, "a"), merged(1, "b")], ["a", "b"], None),
        (LLAVA, NUMBERED, [review(1, "7 8"), review(0, "9 9")], ["9 9", "7 8"], None),
        (MM_VET, NAMED, {"v1_1": grade("0.1"), "v1_0": grade("1.0")}, ["1.0", "0.1"], "gpt-9"),
    ],
    ids=["completions", "an error among them", "merged", "reviews", "grades"],
)  # fmt: skip
def test_every_published_form_is_read_with_the_judge_that_it_names(
    tmp_path, capsys, asked_as, samples, value, said, named
):
    judge, found = heard(tmp_path, value, asked_as, samples)
    assert [reply for replies in found.values() for reply in replies] == said
    official = asked_as.annotator.model
    name = judge.name(asked_as.annotator)
    if named:
        assert name == f"{named} instead of {official} (recorded replies)"
    else:
        assert name.startswith("recorded replies of an unnamed judge")
        assert official not in name
    assert "2 replies in the form" in " ".join(capsys.readouterr().err.split())


def test_grades_of_several_runs_keep_them_apart_where_one_was_never_readable(tmp_path):
    """MM-Vet's script keeps the last of six replies that it could not read."""
    value = {"v1_0": grade("n/a", "0.5"), "v1_1": grade("0.1", "0.2")}
    judge, found = heard(tmp_path, value, MM_VET, NAMED)
    score = MM_VET.score(
        Sample("v1_0", "", "", reference={"capabilities": ()}), None, found["v1_0"]
    )
    assert score.counted_as.runs == (0.0, 0.5)
    assert "2 runs" in judge.name(MM_VET.annotator)


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("llava-v1.5-7b_gpt-4-grade-3runs.json", "gpt-4"),
        ("x_gpt-4-0613-grade-1runs.json", "gpt-4-0613"),
        ("gpt-4v_answers.json", None),
    ],
)
def test_a_judge_in_the_name_of_a_published_file_is_taken(tmp_path, name, judge):
    value = {"v1_0": {"content": ["0.5"]}}
    assert read_recording(written(tmp_path / name, value)).judges == ((judge,) if judge else ())


def test_a_row_or_a_first_line_names_the_judge(tmp_path):
    rows = [{"judge": "a"}, {"id": 0, "replies": ["x"]}, {"id": 1, "replies": ["x"], "judge": "b"}]
    judge, _ = heard(tmp_path, rows)
    assert judge.name(MMHAL.annotator) == "a, b instead of gpt-4-0314 (recorded replies)"
    same = [row | {"judge": "gpt-4-0314"} for row in rows[1:]]
    assert heard(tmp_path, same)[0].name(MMHAL.annotator) == "gpt-4-0314 (recorded replies)"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"kind": "oracle"}, "oracle (tiny world) (recorded replies)"),
        ({"kind": "openai", "model": "m"}, "m instead of gpt-4-0314 (recorded replies)"),
        ({"kind": "replay", "replies": "0"}, "recorded replies of an unnamed judge"),
    ],
)
def test_replies_of_a_run_are_those_of_its_judge(tmp_path, asked, name):
    Record.now({"judge": asked}).write(tmp_path / "identity.json")
    rows = [{"id": i, "key": "k", "replies": ["Rating: 1"]} for i in range(2)]
    assert heard(tmp_path, rows, name="replies.jsonl")[0].name(MMHAL.annotator) == name


@given(st.lists(st.text(alphabet="0123456789. abcRating:", min_size=1), min_size=2, max_size=2))
def test_a_reply_that_is_text_where_a_list_is_expected_is_one_reply(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("replies")
    for value in (
        [{"id": i, "replies": text} for i, text in enumerate(texts)],
        [{"id": i, "runs": [text]} for i, text in enumerate(texts)],
        [{"id": i, "runs": text} for i, text in enumerate(texts)],
    ):
        _, found = heard(folder, value)
        assert found == {i: [text] for i, text in enumerate(texts)}


def test_numbers_are_replies(tmp_path):
    value = [{"id": "v1_0", "replies": 0.8}, {"id": "v1_1", "runs": ["0.5"]}]
    assert heard(tmp_path, value, MM_VET, NAMED)[1] == {"v1_0": ["0.8"], "v1_1": ["0.5"]}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"replies": ["a"]}, "'id' is missing"),
        ({"id": True, "replies": ["a"]}, "'id' must be text or a whole number"),
        ({"id": 1, "replies": {"a": 1}}, "'replies' must be a reply or a list of replies"),
        ({"id": 1, "replies": None}, "one of 'replies' and 'runs'"),
        ({"id": 1, "replies": ["a"], "runs": [["a"]]}, "one of 'replies' and 'runs'"),
        ({"id": 1, "runs": []}, "'runs' must be a list with the replies of each run"),
        ({"id": 1, "runs": [{"a": 1}]}, "'runs' must be a reply or a list of replies"),
        ({"id": 1, "replies": ["a"], "judge": 5}, "'judge' must be the name of a model"),
        ({"question_id": 1, "content": 5}, "'content' must be text"),
        ({"model": "m", "choices": [{}]}, "'choices.0.message' is missing"),
        ({"model": "m", "choices": []}, "there is no choice"),
        ({"caption": "a"}, "Known forms:"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_row_is_said_in_words_of_ours(tmp_path, row, told):
    path = written(tmp_path / "replies.jsonl", [{"id": 0, "replies": ["a"]}] if "id" in row else [])
    path.write_text(path.read_text() + "\n" + json.dumps(row))
    with pytest.raises(DataError) as caught:
        ReplayJudge(path)
    message = str(caught.value)
    assert f"{path}:" in message or "caption" in row
    assert told in message
    for python in ("Error(", "Traceback", "pydantic", "validation error", "errors.pydantic.dev"):
        assert python not in message


@pytest.mark.parametrize(
    ("asked_as", "samples", "value", "told"),
    [
        (MMHAL, NUMBERED, [{"id": i, "replies": ["a"]} for i in range(3)], "sample 2, not in"),
        (MMHAL, NUMBERED, [{"id": str(i), "replies": ["a"]} for i in range(2)], "here numbers"),
        (MMHAL, NUMBERED, [{"id": i, "runs": ["a", "b"]} for i in range(2)], "of 2 runs"),
        (MMHAL, NUMBERED, [{"id": i, "replies": ["a", "b"]} for i in range(2)], "of 2 runs"),
        (MM_VET, NAMED, {"v1_0": grade("1", "1"), "v1_1": grade("1")}, "different numbers of runs"),
        (MMHAL, NUMBERED, [completion("a")] * 3, "3 replies in the order of the questions"),
        (MMHAL, NUMBERED, [merged(1, "a"), merged(0, "b")], "the question is not that of sample 0"),
        (LLAVA, NUMBERED, [review(i, "7 8", category="llava_bench_detail") for i in range(2)],
         "the category is not that of sample 0"),
        (MM_VET, NAMED, [review(i, "7 8") for i in range(2)], "not in 'mm_vet'"),
    ],
)  # fmt: skip
def test_replies_are_checked_as_a_whole(tmp_path, asked_as, samples, value, told):
    with pytest.raises(DataError, match=told) as caught:
        heard(tmp_path, value, asked_as, samples)
    assert str(tmp_path / "replies.json") in str(caught.value)


def test_several_files_are_runs_where_the_benchmark_reads_them(tmp_path):
    paths = [
        written(tmp_path / f"{n}.jsonl", [review(i, f"{n} {i + 5}") for i in range(2)])
        for n in (7, 8)
    ]
    judge = ReplayJudge(*paths)
    judge.match(LLAVA, NUMBERED)
    assert list(judge._of(LLAVA.annotator, 1).judge) == ["7 6", "8 6"]
    assert judge.name(LLAVA.annotator).endswith("2 runs")
    with pytest.raises(DataError, match="replies of 2 runs"):
        ReplayJudge(*paths).match(MMHAL, NUMBERED)
    with pytest.raises(ConfigError, match="twice"):
        ReplayJudge(paths[0], paths[0])


def test_a_file_whose_name_has_a_comma_is_one(tmp_path):
    names = f"{tmp_path}/a,b.jsonl"
    assert [str(path) for path in replay_files(names)] == [f"{tmp_path}/a", "b.jsonl"]
    written(tmp_path / "a,b.jsonl", [{"id": 0, "replies": "x"}])
    assert [str(path) for path in replay_files(names)] == [names]


@pytest.mark.parametrize(
    ("replies", "count"),
    [
        (["0.5"], 1),
        (["?", "0.5"], 1),
        (["?"] * 6, 1),
        (["?"] * 6 + ["0.5"], 2),
        (["0.5", "?"], 2),
        (["?", FAILED_CALL, "0.5"], 1),
        ([], 1),
    ],
)
def test_runs_are_counted_as_mm_vet_s_script_ends_them(replies, count):
    assert runs_of_replies(MM_VET.annotator, replies) == count


PRINTED = """0 Fine.
1 of the lines begins with the next number, and is no reply.

- Rating: 5, very informative, no hallucination
1 Wrong: 2 dogs.

Rating: 0, not informative, with hallucination
Average score: 2.50
Hallucination rate: 0.50
"""


def test_what_the_script_prints_is_read_by_its_numbers(tmp_path):
    """A line within a reply that begins with the next number would part it, and is refused."""
    (tmp_path / "log.txt").write_text(PRINTED.replace("1 of the lines", "One of the lines"))
    judge = ReplayJudge(tmp_path / "log.txt")
    judge.match(MMHAL, NUMBERED)
    first, second = (judge._of(MMHAL.annotator, sample.id).judge[0] for sample in NUMBERED)
    assert first.startswith("Fine.")
    assert first.endswith("- Rating: 5, very informative, no hallucination")
    assert second == "Wrong: 2 dogs.\n\nRating: 0, not informative, with hallucination"
    assert "unnamed judge" in judge.name(MMHAL.annotator)
    (tmp_path / "log.txt").write_text(PRINTED)
    with pytest.raises(DataError, match=r"log\.txt:5: the number 1 begins a line for the second"):
        ReplayJudge(tmp_path / "log.txt")
