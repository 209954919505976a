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
from harness.evaluation.judging.annotate import Annotation, annotate
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.judge import FreeJudge
from harness.evaluation.judging.replay import ReplayJudge, is_tagged
from harness.evaluation.judging.replies import Replies, read_journal
from harness.llm.budget import Spent

PAIRS = [(Sample(i, "?", ""), Response(i, f"answer {i}")) for i in range(5)]


class CountingJudge(FreeJudge):
    """Replies with the request; fails at one sample if told so."""

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
    assert annotate(annotation(None), PAIRS, None) == {i: Replies() for i in range(5)}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_every_response_gets_its_own_replies(concurrency):
    judge = CountingJudge()
    judge.concurrency = concurrency
    replies = annotate(annotation(JUDGED, judge), PAIRS, None)
    assert replies == {i: Replies((f"answer {i}",)) for i in range(5)}


def test_a_judge_that_is_not_needed_is_not_asked():
    needed = dataclasses.replace(JUDGED, needed=lambda sample, _response: sample.id == 2)
    judge = CountingJudge()
    replies = annotate(annotation(needed, judge), PAIRS, None)
    assert judge.asked == [2]
    assert replies[1] == Replies()


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
    assert replies == {i: Replies((f"answer {i}",)) for i in range(5)}
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
        read_journal(tmp_path / "replies.jsonl", with_tagger=False)


def test_the_tagger_gets_what_the_judge_lists(tmp_path):
    judge = recording(tmp_path, {"id": 0, "replies": ["?", '["cat"]']})
    replies = annotate(annotation(LISTING, judge), PAIRS[:1], None)
    assert replies[0].judge == ("?", '["cat"]')
    assert json.loads(replies[0].tagged) == [[["a", "NN", "a"], ["cat", "NN", "cat"]]]


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
    assert len(replies[0].flat()) == len(recorded) + added
    assert replies[0].judge == tuple(recorded[: len(recorded) + added - 1])


def test_a_tagger_alone_tags_what_is_not_recorded(tmp_path):
    tagger = NounTagger("split", lambda response, _replies: [response.text])
    recorded = json.dumps([[["x", "NN", "x"]]])
    judge = recording(tmp_path, {"id": 0, "replies": [recorded]})
    replies = annotate(annotation(tagger, judge), PAIRS[:2], None)
    assert replies[0] == Replies((), recorded)
    assert json.loads(replies[1].tagged)[0][0] == ["answer", "NN", "answer"]


def test_an_empty_request_asks_nobody():
    tagger = NounTagger("split", lambda response, _replies: [response.text])
    pairs = [(Sample(0, "?", ""), Response(0, ""))]
    assert annotate(annotation(tagger), pairs, None) == {0: Replies()}


LISTS = '["cat"]'
TAGS = '[[["cat", "NN", "cat"]]]'


class ListingJudge(CountingJudge):
    """Lists nothing that can be read, and then a cat, unless told to stop before."""

    def __init__(self, *replies):
        super().__init__()
        self._replies = list(replies)

    def replies(self, question):
        self.asked.append(question.sample.id)
        return self._replies


@pytest.mark.parametrize("replies", [("?", LISTS), ("?",), ("[]",), ("[]", "[]")])
def test_a_journal_tells_judge_and_tagger_apart_whatever_they_say(tmp_path, replies):
    journal = tmp_path / "replies.jsonl"
    first = annotate(annotation(LISTING, ListingJudge(*replies)), PAIRS, journal)
    assert {one.judge for one in first.values()} == {replies}
    again = ListingJudge()
    assert annotate(annotation(LISTING, again), PAIRS, journal) == first
    assert again.asked == []
    assert annotate(annotation(LISTING, ReplayJudge(journal)), PAIRS, None) == first


@pytest.mark.parametrize("replies", [("?", LISTS), ("?",), ("[]",)])
def test_a_journal_of_older_rows_is_continued(tmp_path, replies):
    """They hold all replies in one list, the tagger's last whatever it looks like."""
    journal = tmp_path / "replies.jsonl"
    listing = annotation(LISTING, ListingJudge(*replies))
    first = annotate(listing, PAIRS, journal)
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    old = [
        {"id": row["id"], "key": row["key"], "replies": [*row["replies"], row["tagged"]]}
        for row in rows[:3]
    ]
    journal.write_text("".join(json.dumps(row) + "\n" for row in old))
    again = ListingJudge(*replies)
    assert annotate(annotation(LISTING, again), PAIRS, journal) == first
    assert again.asked == [3, 4]


def test_a_journal_without_tagger_looks_as_it_always_did(tmp_path):
    journal = tmp_path / "replies.jsonl"
    annotate(annotation(JUDGED, CountingJudge()), PAIRS[:1], journal)
    row = json.loads(journal.read_text())
    assert {name: row[name] for name in row if name != "key"} == {"id": 0, "replies": ["answer 0"]}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"replies": ["?", LISTS, TAGS]}, Replies(("?", LISTS), TAGS)),
        ({"replies": ["?", LISTS], "tagged": TAGS}, Replies(("?", LISTS), TAGS)),
        ({"replies": [{"error": "busy"}, LISTS, json.loads(TAGS)]}, None),
        ({"runs": [["?"], [LISTS, TAGS]]}, Replies(("?", LISTS), TAGS)),
    ],
)
def test_recordings_of_every_form_are_read(tmp_path, row, expected):
    replies = annotate(annotation(LISTING, recording(tmp_path, {"id": 0, **row})), PAIRS[:1], None)
    assert replies[0] == (expected or Replies(("<the call was refused>", LISTS), TAGS))


class PaidJudge(CountingJudge):
    """Pays a call each, several at a time, until it is interrupted."""

    concurrency = 2
    stopped = False

    @property
    def spent(self):
        return Spent(calls=len(self.asked))

    def replies(self, question):
        if question.sample.id == 3:
            raise KeyboardInterrupt
        return super().replies(question)

    def stop(self):
        self.stopped = True


def test_a_judge_of_any_kind_is_stopped_when_the_user_interrupts():
    judge = PaidJudge()
    with pytest.raises(KeyboardInterrupt):
        annotate(annotation(JUDGED, judge), PAIRS, None)
    assert judge.stopped


def test_what_a_judge_of_any_kind_was_paid_is_shown(monkeypatch, capsys):
    monkeypatch.setattr("harness.evaluation.judging.annotate.QUIET_S", -1.0)
    annotate(annotation(JUDGED, PaidJudge()), PAIRS[:3], None)
    assert "3 paid, 0 recalled" in capsys.readouterr().err
    annotate(annotation(JUDGED, CountingJudge()), PAIRS[:3], None)
    assert "paid" not in capsys.readouterr().err


def test_recorded_replies_are_not_recorded_again(tmp_path):
    judge = recording(tmp_path, *({"id": i, "replies": ["x"]} for i in range(5)))
    annotate(annotation(JUDGED, judge), PAIRS, tmp_path / "replies.jsonl")
    assert not (tmp_path / "replies.jsonl").exists()


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
