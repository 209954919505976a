"""Models as they are now judge every benchmark right, or stop with a reason before they cost."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
import todays_servers as behave
import yaml
from chat_server import KEY, QUICK
from hypothesis import given
from hypothesis import strategies as st
from judged_data import FILES, SIZE, EveryWordIsANoun, write_case
from todays_servers import THOUGHT, TodaysServer

from benchmarks.types import FAILED_CALL, LLMJudge
from harness.errors import ConfigError, JudgeError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.ask_first import ask_first
from harness.evaluation.judging.judge import OpenAIJudge
from harness.llm.chat import ChatRequest, ChatService, ChatSettings
from harness.llm.profiles import UNKNOWN, Profile, built_in, profile_of
from harness.llm.reading import read_reply, spoken
from harness.registry import load_benchmark
from harness.settings.spec import EvaluationSpec

READABLE = {
    "mmhal": ["Rating: 0", "Rating: 4", "Rating: 6"],
    "llava_bench": ["8 7", "6 9\nBecause.", "7 7"],
    "mm_vet": ["0.5", "1.0", "0"],
    "object_halbench": ['["dog"]', '["cat", "dog"]', "[]"],
}
ACCEPTED = {
    "gpt-5": (behave.gpt_5, "gpt-5-mini", None, "gpt-5-mini (gpt-5-mini-2025-08-07) instead of"),
    "learnt": (behave.gpt_5, "new-mini", "any.yaml", "new-mini (gpt-5-mini-2025-08-07) instead of"),
    "dated": (behave.dated, "gpt-4o", None, "gpt-4o (gpt-4o-2024-11-20) instead of"),
    "thinking": (behave.thinking, "qwen/qwen3-8b", None, "enable_thinking"),
    "thinking, unknown": (behave.thinking, "some-model", None, "some-model instead of"),
    "thinking unasked": (behave.thinking_unasked, "some-model", None, "some-model instead of"),
    "reasoning field": (behave.reasoning_field, "some-model", None, "some-model instead of"),
    "azure": (behave.azure, "judge-of-ours", "azure", "judge-of-ours (gpt-4-turbo-2024-04-09)"),
}


def says_of(name):
    """What a judge of a benchmark says: a function of the question alone."""

    def says(body):
        words = json.dumps(body["messages"]).encode()
        return READABLE[name][hashlib.sha256(words).digest()[0] % 3]

    return says


@pytest.fixture
def serve():
    servers = []

    def start(behaviour, says):
        servers.append(TodaysServer(behaviour, says))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(params=FILES)
def case(request, tmp_path):
    return write_case(request.param, tmp_path / "data")


@pytest.fixture
def mm_vet(tmp_path):
    return write_case("mm_vet", tmp_path / "data")


def settings_of(server, **values):
    url = server.url.removesuffix("/v1") if values.pop("bare", False) else server.url
    return ChatSettings(base_url=url, **(QUICK | {"attempts": 2} | values))


def scored(case, server, store, model=None, profile=None, journal=None, **values):
    service = ChatService(settings_of(server, **values), store)
    annotators = Annotators(
        OpenAIJudge(model, service, profile=profile), {"en_core_web_trf": EveryWordIsANoun()}
    )
    answers = case.folder / "answers.jsonl"
    return evaluate(case.benchmark, case.folder, answers, annotators, journal).scorecard


@pytest.mark.parametrize("kind", ACCEPTED)
def test_todays_models_give_the_numbers_of_what_they_say(case, kind, serve, tmp_path):
    behaviour, model, profile, named = ACCEPTED[kind]
    says = says_of(case.benchmark.name)
    if profile == "any.yaml":
        profile = str(tmp_path / profile)
        Path(profile).write_text("served: any\n")
    calm = serve(lambda body, text, _: behave.completion(body["model"], text), says)
    expected = scored(case, calm, tmp_path / "calm.sqlite")
    server = serve(behaviour, says)
    bare = kind == "azure"
    card = scored(case, server, tmp_path / "s.sqlite", model, profile, bare=bare)
    assert (card.official, card.careful) == (expected.official, expected.careful)
    assert card.counts["unscored"] == 0
    assert named in card.judge
    assert expected.judge.partition(";")[0] == case.benchmark.annotator.model


def test_a_refused_parameter_is_learnt_once_and_remembered(mm_vet, serve, tmp_path):
    server = serve(behave.gpt_5, says_of("mm_vet"))
    profile = tmp_path / "any.yaml"
    profile.write_text("served: any\n")
    card = scored(mm_vet, server, tmp_path / "s.sqlite", "new", str(profile), workers=1)
    assert len(server.requests) == SIZE + 2
    assert "its own temperature, 2051 tokens to think and reply" in card.judge
    other = ChatService(settings_of(server), tmp_path / "s.sqlite")
    any_name = Profile(served="any")
    other.ask(ChatRequest("new", (("user", "?"),), 0.0, 3, profile=any_name))
    assert len(server.requests) == SIZE + 3


STOPS = {
    "html": (behave.html, "proxies"),
    "401": (behave.wrong_key, "OPENAI_API_KEY"),
    "404": (behave.retired, "switched off"),
    "endless thoughts": (behave.endless_thoughts, "judge profile"),
    "empty": (lambda body, _, __: behave.completion(body["model"], ""), "an empty one"),
    "refuses": (
        lambda body, _, __: behave.completion(body["model"], "I'm sorry, I can't help with that."),
        "I'm sorry",
    ),
    "filter": (
        lambda _body, _, __: behave.refusal("filtered", "content_filter"),
        "HTTP 400: ",
    ),
    "filter, 200": (
        lambda body, _, __: behave.completion(body["model"], None, "content_filter"),
        "content filter",
    ),
    "another model": (
        lambda _body, text, __: behave.completion("a-cheaper-one", text),
        "'a-cheaper-one' answered",
    ),
}


@pytest.mark.parametrize("kind", STOPS)
def test_what_cannot_judge_is_told_before_anything_rests_on_it(case, kind, serve, tmp_path):
    behaviour, told = STOPS[kind]
    name = case.benchmark.name
    data = tmp_path / "benchmarks"
    data.mkdir()
    case.folder.rename(data / name)
    asked = EvaluationSpec(benchmarks=(name,), data=str(data), judge="openai:some-model")
    server = serve(behaviour, says_of(name))
    with pytest.raises(JudgeError) as caught:
        ask_first(asked, settings_of(server))
    assert told in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_judge_that_can_be_read_is_asked_once_for_ever(case, serve, tmp_path, capsys):
    name = case.benchmark.name
    data = tmp_path / "benchmarks"
    data.mkdir()
    case.folder.rename(data / name)
    asked = EvaluationSpec(benchmarks=(name, "amber"), data=str(data), judge="openai:some-model")
    server = serve(behave.reasoning_field, says_of(name))
    for _ in range(2):
        ask_first(asked, settings_of(server))
    assert len(server.requests) == 1
    assert f"judge of {name}, asked beforehand" in capsys.readouterr().err


def test_a_judge_that_nobody_can_read_stops_and_is_asked_anew_when_it_is_repaired(
    case, serve, tmp_path
):
    says = says_of(case.benchmark.name)
    broken = [True]

    def behaviour(body, text, request):
        return (behave.endless_thoughts if broken else behave.dated)(body, text, request)

    server = serve(behaviour, says)
    store, journal = tmp_path / "s.sqlite", tmp_path / "replies.jsonl"
    values = {"model": "some-model", "journal": journal, "workers": 1}
    with pytest.raises(JudgeError, match=r"of the first \d replies cannot be read.*--judge-prof"):
        scored(case, server, store, stop_unreadable="4/5", **values)
    assert journal.read_text() == ""
    broken.clear()
    card = scored(case, server, store, stop_unreadable="4/5", **values)
    assert card.counts["unscored"] == 0


def test_an_unreadable_reply_is_asked_for_again_so_often_and_no_oftener(tmp_path, serve):
    case = write_case("object_halbench", tmp_path / "data")
    server = serve(behave.dated, lambda _: "no list")
    with pytest.raises(JudgeError, match="of the first 2 replies"):
        scored(
            case,
            server,
            tmp_path / "s.sqlite",
            workers=1,
            unreadable_attempts=3,
            stop_unreadable="2/2",
            model="m",
        )
    assert len(server.requests) == 2 * 3


@pytest.mark.parametrize("way", ["status", "finish"])
def test_a_refused_item_does_not_block_the_others(case, way, serve, tmp_path):
    says = says_of(case.benchmark.name)

    def behaviour(body, text, _):
        if json.dumps(body["messages"]).count("6"):
            if way == "status":
                return behave.refusal("The response was filtered", "content_filter")
            return behave.completion("gpt-4o", None, "content_filter")
        return behave.completion("gpt-4o", text)

    server = serve(behaviour, says)
    journal = tmp_path / "replies.jsonl"
    card = scored(case, server, tmp_path / "s.sqlite", "gpt-4o", journal=journal)
    assert card.official == {}
    assert 0 < card.counts["failed"] < SIZE
    assert card.careful
    replies = [json.loads(line)["replies"] for line in journal.read_text().splitlines()]
    assert sum(each[-1] == FAILED_CALL for each in replies) == card.counts["failed"]


def test_too_many_refused_items_stop(mm_vet, serve, tmp_path):
    server = serve(lambda *_: behave.refusal("no", "content_filter"), says_of("mm_vet"))
    with pytest.raises(JudgeError, match="--max-unjudged"):
        scored(mm_vet, server, tmp_path / "s.sqlite", "gpt-4o", max_unjudged=2, workers=1)
    assert len(server.requests) == 3


def test_a_name_that_changes_within_a_run_stops(case, serve, tmp_path):
    says = says_of(case.benchmark.name)
    dates = ["2024-08-06"] * 3 + ["2024-11-20"] * 9
    server = serve(lambda _body, text, _: behave.completion(f"gpt-4o-{dates.pop(0)}", text), says)
    journal = tmp_path / "replies.jsonl"
    for _ in range(2):
        with pytest.raises(JudgeError, match="two judges in one column"):
            scored(case, server, tmp_path / "s.sqlite", "gpt-4o", journal=journal, workers=1)


def test_a_changed_profile_asks_anew(mm_vet, serve, tmp_path):
    server = serve(behave.dated, says_of("mm_vet"))
    store, profile = tmp_path / "s.sqlite", tmp_path / "mine.yaml"
    for seed in (1, 2, 2):
        profile.write_text(yaml.safe_dump({"body": {"seed": seed}}))
        card = scored(mm_vet, server, store, "m", str(profile))
        assert f"seed {seed}" in card.judge
    assert len(server.requests) == 2 * SIZE


# Thoughts are no replies.

MARKS = UNKNOWN.thoughts
THOUGHTS = st.lists(
    st.sampled_from([THOUGHT, "0.5", "Rating: 6", "8 9", '["dog"]', "\n", " ", "1.", "hm"]),
    min_size=1,
).map("".join)
SAID = st.sampled_from([reply for replies in READABLE.values() for reply in replies])
ANNOTATORS = {name: load_benchmark(name).annotator for name in FILES}


@given(thought=THOUGHTS, marks=st.sampled_from(MARKS), cut_off=st.booleans())
def test_a_thought_that_does_not_end_says_nothing(thought, marks, cut_off):
    for text in (f"{marks[0]}{thought}", f"\n {marks[0]}\n{thought}"):
        assert spoken(text, UNKNOWN, cut_off=cut_off) == ""
        assert spoken(text, built_in()["official"], cut_off=cut_off) == ""
    assert spoken(thought, UNKNOWN, cut_off=True) == ""


@given(thought=THOUGHTS, marks=st.sampled_from(MARKS), said=SAID, opened=st.booleans())
def test_what_is_said_behind_a_thought_is_read_as_if_it_stood_alone(thought, marks, said, opened):
    begin, end = marks
    whole = f"{begin if opened else ''}{thought}{end}\n\n{said}"
    for cut_off in (False, True):
        assert spoken(whole, UNKNOWN, cut_off=cut_off) == said


@given(thought=THOUGHTS, field=st.sampled_from(["reasoning", "reasoning_content"]))
def test_thoughts_in_a_field_of_their_own_are_never_a_reply(thought, field):
    request = ChatRequest("m", (("user", "?"),), 0.0, 3, profile=UNKNOWN)
    for content in (None, ""):
        _, answer = behave.completion("m", content, "length", **{field: thought})
        text = read_reply(json.dumps(answer).encode(), request).text
        for annotator in ANNOTATORS.values():
            assert isinstance(annotator, LLMJudge)
            assert not annotator.readable(text)


def test_a_reply_of_the_published_models_is_left_as_it_is():
    official = built_in()["official"]
    assert spoken(" 0.5 | a", official, cut_off=True) == " 0.5 | a"


# Profiles.


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("gpt-4-0613", "official"),
        ("gpt-3.5-turbo-0613", "official"),
        ("openai/gpt-4o", "official"),
        ("gpt-5.2", "gpt-5"),
        ("o4-mini", "gpt-5"),
        ("Qwen/Qwen3-8B", "open-thinking"),
        ("openai/gpt-oss-120b", "open-thinking-aloud"),
        ("llama-3.3-70b", "unknown"),
    ],
)
def test_the_profile_is_found_by_the_name_of_the_model(model, profile):
    assert profile_of(model).name == profile


@pytest.mark.parametrize(
    ("served", "fits"),
    [
        ("gpt-4o", True),
        ("gpt-4o-2024-11-20", True),
        ("openai/gpt-4o", True),
        ("gpt-4o-mini", False),
        ("gpt-4o-mini-2024-07-18", False),
        ("gpt-4", False),
        ("", False),
    ],
)
def test_an_alias_answers_under_its_dated_name_and_no_other(served, fits):
    assert profile_of("gpt-4o").accepts("gpt-4o", served) is fits


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temprature: 0", "temprature"),
        ("- a", "mapping"),
        ("thinks: [", "cannot read"),
        ("requests_per_minute: 0", "requests_per_minute"),
    ],
)
def test_a_file_that_is_no_profile_is_told(text, told, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        profile_of("m", str(file))


def test_a_profile_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="Built in: azure, gpt-5"):
        profile_of("m", "gtp-5")
    with pytest.raises(ConfigError, match="cannot read"):
        profile_of("m", str(tmp_path / "none.yaml"))


def test_headers_take_their_secrets_from_the_environment(serve, tmp_path, monkeypatch):
    seen = []

    def behaviour(body, text, request):
        seen.append(request.headers["X-Gateway"])
        return behave.completion(body["model"], text)

    server = serve(behaviour, lambda _: "yes")
    profile = Profile(headers={"X-Gateway": "team ${GATEWAY_WORD}"})
    request = ChatRequest("m", (("user", "?"),), 0.0, profile=profile)
    service = ChatService(settings_of(server), tmp_path / "s.sqlite")
    with pytest.raises(ConfigError, match="GATEWAY_WORD"):
        service.ask(request)
    monkeypatch.setenv("GATEWAY_WORD", "xyz")
    service.ask(request)
    assert seen == ["team xyz"]


def test_calls_keep_to_the_rate_of_the_service(serve, tmp_path):
    service = ChatService(settings_of(serve(behave.dated, str)), tmp_path / "s.sqlite")
    request = ChatRequest("m", (), 0.0, profile=Profile(requests_per_minute=60))
    waits = [service._until_turn(request) for _ in range(3)]
    assert waits == pytest.approx([0, 1, 2], abs=0.1)
    assert service._until_turn(dataclasses.replace(request, profile=UNKNOWN)) == 0
