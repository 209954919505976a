"""Asking judge and tagger: who is asked what, and what a second run asks again."""

import dataclasses
import json
import threading
import time

import pytest

from benchmarks.object_halbench import phrases
from benchmarks.types import (
    Benchmark,
    Call,
    LLMJudge,
    NounTagger,
    Response,
    Sample,
    Token,
)
from harness.errors import ConfigError, DataError, JudgeError
from harness.evaluation.judging.annotate import Annotation, annotate, is_tagged
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.judge import ReplayJudge
from harness.evaluation.judging.replies import read_journal

PAIRS = [(Sample(i, "?", ""), Response(i, f"answer {i}")) for i in range(5)]


class CountingJudge:
    """Replies with the request; fails at one sample if told so."""

    concurrency = 1

    def __init__(self, fail_at=None):
        self.asked, self.fail_at = [], fail_at

    def name(self, annotator):
        return annotator.model

    def replies(self, question):
        if question.sample.id == self.fail_at:
            raise JudgeError("away")
        self.asked.append(question.sample.id)
        return [question.request()]


class SplitTagger:
    name = "split"

    def tag(self, texts):
        return [[Token(word, "NN", word) for word in text.split()] for text in texts]


def benchmark(annotator):
    return Benchmark(
        name="some_benchmark",
        task="some_benchmark",
        samples=5,
        metrics=(),
        source="",
        annotator=annotator,
        request=lambda sample, response: response.text,
        score=lambda sample, response, replies: replies,
        aggregate=lambda scores: {},
        fallback=None,
        files=(),
        read=lambda files: [],
    )


JUDGED = LLMJudge("judge-1", (Call(0.0),), readable=bool)
LISTING = dataclasses.replace(
    JUDGED, readable=lambda reply: reply.startswith("["), tagger=NounTagger("split", phrases)
)


def annotation(annotator, judge=None):
    return Annotation(benchmark(annotator), Annotators(judge, {"split": SplitTagger()}))


def recording(tmp_path, *rows):
    path = tmp_path / "recorded.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return ReplayJudge(path)


def test_without_annotator_nobody_is_asked():
    assert annotate(annotation(None), PAIRS, None) == {i: [] for i in range(5)}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_every_response_gets_its_own_replies(concurrency):
    judge = CountingJudge()
    judge.concurrency = concurrency
    replies = annotate(annotation(JUDGED, judge), PAIRS, None)
    assert replies == {i: [f"answer {i}"] for i in range(5)}


def test_a_judge_that_is_not_needed_is_not_asked():
    needed = dataclasses.replace(JUDGED, needed=lambda sample, _response: sample.id == 2)
    judge = CountingJudge()
    replies = annotate(annotation(needed, judge), PAIRS, None)
    assert judge.asked == [2]
    assert replies[1] == []


def test_a_benchmark_with_a_judge_cannot_do_without():
    with pytest.raises(ConfigError, match="needs a judge"):
        annotate(annotation(JUDGED), PAIRS, None)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_stopped_run_continues_where_it_was(tmp_path, concurrency):
    journal = tmp_path / "replies.jsonl"
    first = CountingJudge(fail_at=3)
    first.concurrency = concurrency
    with pytest.raises(JudgeError):
        annotate(annotation(JUDGED, first), PAIRS, journal)
    kept = {row["id"] for row in map(json.loads, journal.read_text().splitlines())}
    assert kept <= set(first.asked)
    with journal.open("a") as file:
        file.write('{"id": 9, "key": "torn')
    second = CountingJudge()
    replies = annotate(annotation(JUDGED, second), PAIRS, journal)
    assert second.asked == [i for i in range(5) if i not in kept]
    assert replies == {i: [f"answer {i}"] for i in range(5)}
    third = CountingJudge()
    assert annotate(annotation(JUDGED, third), PAIRS, journal) == replies
    assert third.asked == []


def test_a_changed_answer_or_judge_is_asked_about_again(tmp_path):
    journal = tmp_path / "replies.jsonl"
    annotate(annotation(JUDGED, CountingJudge()), PAIRS, journal)
    judge = CountingJudge()
    changed = [*PAIRS[:4], (PAIRS[4][0], Response(4, "another answer"))]
    annotate(annotation(JUDGED, judge), changed, journal)
    assert judge.asked == [4]
    other = CountingJudge()
    annotate(annotation(dataclasses.replace(JUDGED, model="judge-2"), other), PAIRS, journal)
    assert other.asked == [0, 1, 2, 3, 4]


def test_the_journal_holds_one_row_per_answer_and_can_be_replayed(tmp_path):
    journal = tmp_path / "replies.jsonl"
    annotate(annotation(JUDGED, CountingJudge()), PAIRS, journal)
    changed = [*PAIRS[:4], (PAIRS[4][0], Response(4, "another answer"))]
    replies = annotate(annotation(JUDGED, CountingJudge()), changed, journal)
    assert len(journal.read_text().splitlines()) == 5
    assert annotate(annotation(JUDGED, ReplayJudge(journal)), changed, None) == replies


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_failure_says_how_many_are_missing(concurrency):
    judge = CountingJudge(fail_at=0)
    judge.concurrency = concurrency
    with pytest.raises(JudgeError, match=r"^away Replies about [345] of 5 responses .* missing"):
        annotate(annotation(JUDGED, judge), PAIRS, None)


class SlowJudge(CountingJudge):
    """Fails at sample 0 while sample 1 is being answered."""

    concurrency = 2

    def __init__(self):
        super().__init__(fail_at=0)
        self.both = threading.Barrier(2)

    def replies(self, question):
        if question.sample.id < 2:
            self.both.wait(10)
            time.sleep(0.05 * question.sample.id)
        return super().replies(question)


def test_questions_in_flight_are_finished_and_kept_after_a_failure(tmp_path):
    journal = tmp_path / "replies.jsonl"
    with pytest.raises(JudgeError):
        annotate(annotation(JUDGED, SlowJudge()), PAIRS, journal)
    assert 1 in {row["id"] for row in map(json.loads, journal.read_text().splitlines())}


@pytest.mark.parametrize("content", [b'{"id": 1}\n', b"\xff\n", b"[" * 100_000 + b"\n"])
def test_a_file_that_holds_no_replies_is_named(tmp_path, content):
    (tmp_path / "replies.jsonl").write_bytes(content)
    with pytest.raises(DataError, match="not a file of replies"):
        read_journal(tmp_path / "replies.jsonl")


def test_the_tagger_gets_what_the_judge_lists(tmp_path):
    judge = recording(tmp_path, {"id": 0, "replies": ["?", '["cat"]']})
    replies = annotate(annotation(LISTING, judge), PAIRS[:1], None)
    assert replies[0][:2] == ["?", '["cat"]']
    assert json.loads(replies[0][2]) == [[["a", "NN", "a"], ["cat", "NN", "cat"]]]


@pytest.mark.parametrize(
    ("recorded", "added"),
    [
        (['["cat"]', '[[["a", "DT", "a"]]]'], 0),
        (["[]", "[]"], 0),
        (["[]"], 1),
        (["?", "[]"], 1),
    ],
)
def test_recorded_tags_are_not_made_again(tmp_path, recorded, added):
    judge = recording(tmp_path, {"id": 0, "replies": recorded})
    replies = annotate(annotation(LISTING, judge), PAIRS[:1], None)
    assert len(replies[0]) == len(recorded) + added


def test_a_tagger_alone_tags_what_is_not_recorded(tmp_path):
    tagger = NounTagger("split", lambda response, _replies: [response.text])
    recorded = json.dumps([[["x", "NN", "x"]]])
    judge = recording(tmp_path, {"id": 0, "replies": [recorded]})
    replies = annotate(annotation(tagger, judge), PAIRS[:2], None)
    assert replies[0] == [recorded]
    assert json.loads(replies[1][0])[0][0] == ["answer", "NN", "answer"]


def test_an_empty_request_asks_nobody():
    tagger = NounTagger("split", lambda response, _replies: [response.text])
    pairs = [(Sample(0, "?", ""), Response(0, ""))]
    assert annotate(annotation(tagger), pairs, None) == {0: []}


@pytest.mark.parametrize(
    ("reply", "tagged"),
    [('[[["a", "DT", "a"]]]', True), ("[]", True), ('["cat"]', False), ('[["cat"]]', False)],
)
def test_replies_of_taggers_are_told_from_lists(reply, tagged):
    assert is_tagged(reply) is tagged


def test_an_unknown_tagger_is_named():
    tagger = NounTagger("unheard-of", lambda response, _replies: [response.text])
    with pytest.raises(ConfigError, match=r"no tagger 'unheard-of'.*split"):
        annotate(annotation(tagger), PAIRS, None)
