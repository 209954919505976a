"""Splitting by a language model, behind a real local server and on this machine."""

import hashlib

import pytest
from hardness_data import Endpoint, serving

from harness.data.columns.clip_gap import make_splitter
from harness.data.columns.splitters import (
    ByEndpoint,
    NotSplit,
    pieces_of,
    read_prompt,
    splitter_identity,
)
from harness.errors import ConfigError, JudgeError
from harness.llm.chat import ChatService, ChatSettings
from harness.settings.spec import HardnessSpec

TEXTS = ["A dog runs and a cat sleeps.", "A red car.", "A red car."]


def halves(text):
    """Split before every `and`."""
    return text.replace(" and", "\nand")


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    return lambda endpoint, attempts=2: ChatSettings(
        base_url=endpoint.url, attempts=attempts, longest_wait=0.01, workers=4
    )


def test_equal_responses_are_asked_once_and_replies_survive(settings, tmp_path):
    store = tmp_path / "replies.sqlite"
    with serving(Endpoint(halves)) as endpoint:
        for _ in range(2):
            service = ChatService(settings(endpoint), store)
            found = ByEndpoint("m", service).split(TEXTS)
            assert found == [["A dog runs", "and a cat sleeps."], ["A red car."], ["A red car."]]
        assert sorted(endpoint.asked) == sorted(set(TEXTS))


def test_nonsense_is_not_a_splitting(settings, tmp_path):
    with serving(Endpoint(lambda text: "I cannot help with that.")) as endpoint:
        service = ChatService(settings(endpoint), tmp_path / "r.sqlite")
        found = ByEndpoint("m", service).split(TEXTS[:1])
    assert found == [NotSplit("word 1 is 'a' in the response and 'i' in the pieces")]


def test_an_endpoint_that_is_down_stops_and_says_that_nothing_is_lost(settings, tmp_path):
    endpoint = Endpoint(halves)
    with serving(endpoint):
        pass
    service = ChatService(settings(endpoint), tmp_path / "r.sqlite")
    with pytest.raises(JudgeError, match=r"could not be reached.*Every reply until now is kept"):
        ByEndpoint("m", service).split(TEXTS)


def test_another_models_name_stops(settings, tmp_path):
    with serving(Endpoint(halves, name="cheaper")) as endpoint:
        service = ChatService(settings(endpoint), tmp_path / "r.sqlite")
        with pytest.raises(JudgeError, match="'cheaper' answered"):
            ByEndpoint("m", service).split(TEXTS)


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        ("```\n1. A dog runs\n2. and a cat sleeps.\n```", ["A dog runs", "and a cat sleeps."]),
        ("\n- A dog runs and\n\n- a cat sleeps.", ["A dog runs and", "a cat sleeps."]),
        ("", NotSplit("the reply holds no words")),
        ("A dog runs", NotSplit("the pieces end after 3 of 7 words")),
    ],
)
def test_replies_are_read_by_line(reply, pieces):
    assert pieces_of(reply, TEXTS[0]) == pieces


def test_a_response_without_words_needs_no_model(settings, tmp_path):
    with serving(Endpoint(halves)) as endpoint:
        service = ChatService(settings(endpoint), tmp_path / "r.sqlite")
        assert ByEndpoint("m", service).split([" !! "]) == [["!!"]]
        assert endpoint.asked == []


def test_the_prompts_version_stands_for_its_wording():
    """Whoever changes the words raises the version, and then this hash."""
    prompt = read_prompt()
    told = hashlib.sha256(f"{prompt.system}\0{prompt.user}".encode()).hexdigest()[:12]
    assert (prompt.version, told) == (1, "c20e4ecc01ad")


def test_model_and_prompt_version_decide_the_identity():
    def spec(**values):
        return HardnessSpec(clip="x", **values)

    names = {
        splitter_identity(spec()),
        splitter_identity(spec(splitter="endpoint", splitter_model="a")),
        splitter_identity(spec(splitter="endpoint", splitter_model="b")),
        splitter_identity(spec(splitter="local", splitter_model="a/b")),
    }
    assert len(names) == 4
    assert "prompt 1" in splitter_identity(spec(splitter="endpoint", splitter_model="a"))
    with pytest.raises(ConfigError, match="which model"):
        splitter_identity(spec(splitter="endpoint"))


def test_a_local_model_is_asked_once_per_response(tmp_path, monkeypatch):
    """A random model writes nonsense: it is reported, stored, and not generated again."""
    import torch
    import world_fixture
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "model"
    tokens = world_fixture.tokenizer()
    tokens.save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    ).save_pretrained(folder)
    hardness = HardnessSpec(clip="x", splitter="local", splitter_model=str(folder))
    store = tmp_path / "r.sqlite"
    first = make_splitter(hardness, ChatSettings(), store).split(TEXTS)
    assert all(isinstance(one, NotSplit) for one in first)
    again = make_splitter(hardness, ChatSettings(), store)
    monkeypatch.setattr(again._model, "generate", None)
    assert again.split(TEXTS) == first


def test_a_local_model_that_is_not_there_is_named(tmp_path):
    hardness = HardnessSpec(clip="x", splitter="local", splitter_model=str(tmp_path))
    with pytest.raises(ConfigError, match="not a text model"):
        make_splitter(hardness, ChatSettings(), tmp_path / "r.sqlite")
