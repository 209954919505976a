"""Scoring against an endpoint that misbehaves: a calm run's numbers, and nothing paid twice."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from chat_server import KEY, MISCHIEF, good, open_chat
from judged_data import FILES, SIZE, pairs_of, write_case

from harness.errors import DataError, JudgeError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.judging.annotate import question_about
from harness.evaluation.judging.annotators import Annotators, find_annotators
from harness.evaluation.judging.judge import OpenAIJudge
from harness.planning.judge_plan import JudgePlan, assumed_pairs, judge_plan

WORKERS = 3
PROGRAM = """
import sys
from pathlib import Path
from harness.errors import HarnessError
from harness.evaluation.judging.annotators import find_annotators
from harness.evaluation.evaluate import evaluate
from harness.evaluation.score import as_json
from harness.llm.chat import ChatSettings
from harness.registry import load_benchmark

folder, url, journal = Path(sys.argv[1]), sys.argv[2], sys.argv[4:]
settings = ChatSettings(base_url=url, workers=int(sys.argv[3]), timeout=20, longest_wait=0.01)
annotators = find_annotators("openai", folder, settings)
try:
    print(as_json(evaluate(
        load_benchmark("mm_vet"), folder, folder / "answers.jsonl", annotators,
        *map(Path, journal)
    ).scorecard))
except HarnessError as error:
    sys.exit(f"stopped: {error}")
"""


@pytest.fixture(params=FILES)
def case(request, tmp_path):
    return write_case(request.param, tmp_path / "data")


@pytest.fixture
def mm_vet(tmp_path):
    return write_case("mm_vet", tmp_path / "data")


@pytest.fixture
def calm(serve, tmp_path):
    """Score against a well-behaved endpoint: the scorecard, and how often each call was paid."""

    def score(case, runs=1):
        server = serve(case.text)
        evaluation = case.score(open_chat(server, tmp_path / "calm.sqlite"), runs=runs)
        return evaluation.scorecard, server.completed

    return score


def until_done(attempt, tries=60):
    """Repeat the same command until it gets through; return how often it stopped."""
    messages = []
    while len(messages) < tries:
        try:
            result = attempt()
            break
        except JudgeError as error:
            messages.append(str(error))
    assert all("are missing, so there is no score" in message for message in messages)
    assert KEY not in "".join(messages)
    return result, len(messages)


def test_mischief_changes_no_number_and_costs_nothing(case, calm, serve, tmp_path):
    card, paid = calm(case)
    server = serve(case.text, mischief=MISCHIEF, share=0.4, seed=1)
    service = open_chat(server, tmp_path / "store.sqlite")
    assert case.score(service).scorecard == card
    assert server.completed == paid


def test_what_few_attempts_do_not_reach_the_same_command_does(case, calm, serve, tmp_path):
    card, paid = calm(case)
    server = serve(case.text, mischief=("drop", "cut", "limit", "half"), share=0.5, seed=3)
    journal = tmp_path / "replies.jsonl"

    def attempt():
        service = open_chat(server, tmp_path / "store.sqlite", attempts=2, workers=2)
        return case.score(service, journal).scorecard

    again, stops = until_done(attempt)
    assert stops > 0
    assert again == card
    assert server.completed == paid


def test_a_service_that_dies_and_comes_back_is_continued(case, calm, serve, tmp_path):
    card, paid = calm(case)
    server = serve(case.text)
    server.alive_for = 5

    def text(body, nth):
        server.alive_for -= 1
        server.alive = server.alive_for > 0
        return case.text(body, nth)

    server.text = text

    def attempt():
        service = open_chat(server, tmp_path / "store.sqlite", attempts=2, workers=2)
        return case.score(service).scorecard

    with pytest.raises(JudgeError, match=rf"of {SIZE} responses to '{case.benchmark.name}'"):
        attempt()
    server.text, server.alive = case.text, True
    assert attempt() == card
    assert server.completed == paid


def test_another_model_never_scores(case, serve, tmp_path):
    server = serve(case.text)
    other = good("some-other-model", '["dog"]')
    server.answer = lambda handler, _: server.send(handler, 200, other)
    service = open_chat(server, tmp_path / "store.sqlite", workers=2)
    with pytest.raises(JudgeError, match=rf"'some-other-model' answered.*{SIZE} of {SIZE}"):
        case.score(service)
    assert not any(map(service.known, judge_requests(case, service)))


def judge_requests(case, service):
    judge = OpenAIJudge(service=service)
    annotator = case.benchmark.annotator
    for pair in pairs_of(case):
        yield from judge.planned(question_about(case.benchmark, annotator, *pair))[0]


def test_a_budget_spreads_over_several_commands(case, calm, serve, tmp_path):
    card, paid = calm(case)
    server = serve(case.text)

    def attempt():
        service = open_chat(server, tmp_path / "store.sqlite", max_calls=3)
        return case.score(service).scorecard

    again, stops = until_done(attempt)
    calls = sum(paid.values())
    assert stops == -(-calls // 3) - 1
    assert again == card
    assert server.completed == paid


def test_the_replies_of_a_run_can_be_replayed_alone(case, serve, tmp_path):
    server = serve(case.text)
    journal = tmp_path / "replies.jsonl"
    first = case.score(open_chat(server, tmp_path / "store.sqlite"), journal)
    replay = find_annotators(f"replay:{journal}", case.folder)
    again = evaluate(case.benchmark, case.folder, case.folder / "answers.jsonl", replay)
    assert [item.row() for item in again.items] == [item.row() for item in first.items]
    assert again.scorecard.official == first.scorecard.official
    assert again.scorecard.careful == first.scorecard.careful


def test_several_runs_pay_each_run_once(mm_vet, serve, tmp_path):
    server = serve(lambda _body, nth: str(nth / 4))
    store = tmp_path / "store.sqlite"
    card = mm_vet.score(open_chat(server, store, workers=1), runs=3).scorecard
    assert set(server.completed.values()) == {3}
    assert card.official["total"] == 25.0  # of 0, 25 and 50 percent
    assert card.official["total_std"] == 20.4  # sqrt((625 + 0 + 625) / 3) = 20.41
    assert card.judge == "gpt-4-0613, 3 runs"
    again = open_chat(server, store)
    assert mm_vet.score(again, runs=3).scorecard == card
    assert (again.spent.calls, again.spent.recalled) == (0, 3 * SIZE)


def program(folder, server, *journal, cache):
    command = [sys.executable, "-c", PROGRAM, str(folder), server.url, str(WORKERS)]
    command += map(str, journal)
    environment = os.environ | {"HARNESS_CACHE": str(cache)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_killed_scoring_continues_and_pays_at_most_what_was_in_flight(mm_vet, serve, tmp_path):
    # A killed process never saw its last replies, so they must not depend on how many there were.
    calm_server, server = (
        serve(lambda body, _nth: mm_vet.text(body, 0), delay=delay) for delay in (0, 0.05)
    )
    card = mm_vet.score(open_chat(calm_server, tmp_path / "calm.sqlite")).scorecard
    paid, journal = calm_server.completed, tmp_path / "replies.jsonl"
    process = program(mm_vet.folder, server, journal, cache=tmp_path / "cache")
    while not server.requests and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.Random().random() * 0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process = program(mm_vet.folder, server, journal, cache=tmp_path / "cache")
    out, _ = process.communicate(timeout=60)
    assert json.loads(out) == json.loads(json.dumps(dataclasses.asdict(card)))
    twice = {body: count - paid[body] for body, count in server.completed.items()}
    assert min(twice.values()) == 0
    assert sum(twice.values()) <= WORKERS


def test_two_processes_at_once_pay_once_and_write_no_key(mm_vet, calm, serve, tmp_path):
    card, paid = calm(mm_vet)
    server = serve(mm_vet.text, delay=0.02, mischief=("limit", "drop"), share=0.2)
    journals = [tmp_path / who / "replies.jsonl" for who in ("one", "two")]
    cache = tmp_path / "shared"
    processes = [program(mm_vet.folder, server, journal, cache=cache) for journal in journals]
    outputs = [process.communicate(timeout=60) for process in processes]
    expected = json.loads(json.dumps(dataclasses.asdict(card)))
    assert [json.loads(out) for out, _ in outputs] == [expected, expected]
    assert server.completed == paid
    assert server.authorizations == {f"Bearer {KEY}"}
    assert KEY not in str(outputs)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {*journals, cache / "replies.sqlite"} <= set(files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


MORE = {"mmhal": 0, "llava_bench": 0, "mm_vet": 5, "object_halbench": 5}
"""Calls that may follow the first: published 5 and 99, of which six in all are made by default."""


def test_a_plan_counts_what_a_scoring_pays(case, serve, tmp_path):
    """A reply that can be read at once: one call a question, each with the limit's tokens."""
    readable = {"mmhal": "Rating: 3", "llava_bench": "8 7", "mm_vet": "1", "object_halbench": "[]"}
    server = serve(lambda _body, _nth: readable[case.benchmark.name])
    service = open_chat(server, tmp_path / "store.sqlite")
    annotators = Annotators(OpenAIJudge(service=service), {})
    before = judge_plan(case.benchmark, pairs_of(case), annotators)
    assert judge_plan(case.benchmark, pairs_of(case)) == before
    case.score(service)
    characters = [sum(len(m["content"]) for m in r["messages"]) for r in server.requests]
    limit = case.benchmark.annotator.max_tokens
    assert before == JudgePlan(
        calls=SIZE,
        recalled=0,
        prompt_tokens_estimate=sum(-(-n // 4) for n in characters),
        completion_tokens_limit=None if limit is None else limit * SIZE,
        more_calls_limit=MORE[case.benchmark.name] * SIZE,
    )
    after = judge_plan(case.benchmark, pairs_of(case), annotators)
    assert (after.calls, after.recalled, after.prompt_tokens_estimate) == (0, SIZE, 0)


def test_plans_add_up_and_need_no_answers(mm_vet):
    samples = [sample for sample, _ in pairs_of(mm_vet)]
    plan = judge_plan(mm_vet.benchmark, assumed_pairs(samples))
    assert plan.calls == SIZE
    assert plan.prompt_tokens_estimate > SIZE * 150
    both = plan + JudgePlan(1, 2, 3, 4)
    assert (both.calls, both.recalled) == (SIZE + 1, 2)
    assert both.completion_tokens_limit == 3 * SIZE + 4
    assert (plan + JudgePlan(1, 0, 0, None)).completion_tokens_limit is None


def test_recorded_replies_cost_nothing(mm_vet, tmp_path):
    (tmp_path / "recorded.jsonl").write_text("")
    annotators = find_annotators(f"replay:{tmp_path / 'recorded.jsonl'}", mm_vet.folder)
    assert judge_plan(mm_vet.benchmark, pairs_of(mm_vet), annotators) == JudgePlan(0, 0, 0, 0)


def test_a_plan_without_the_prompt_says_so(mm_vet):
    pair = pairs_of(mm_vet)[0]
    bare = dataclasses.replace(pair[0], reference=dict(pair[0].reference) | {"template": None})
    with pytest.raises(DataError, match=r"judge_prompt\.txt is missing"):
        judge_plan(mm_vet.benchmark, [(bare, pair[1])])
