"""Judges of public answers: the official one beside itself, one with a bias, two made ones."""

import json
import re

import pytest
from judged_data import FILES, SIZE, write_case
from todays_servers import TodaysServer, completion

from benchmarks.types import Scorecard
from harness.errors import ConfigError, DataError
from harness.llm.messages import ChatSettings
from harness.registry import load_benchmark
from harness.reporting.compare import RunResult, compare
from harness.reporting.judge_card.card import lines_of
from harness.reporting.judge_card.make import make_card
from harness.reporting.judge_card.markdown import card_markdown, print_card, write_card
from harness.reporting.judge_card.public import OFFICIAL, PUBLIC, Asked, PublicSet
from harness.reporting.writers.markdown import comparison_markdown
from harness.reporting.writers.run_table import run_markdown
from harness.upstream.catalogue import catalogue, chosen

RUNS = [[place / 10, place / 10, place / 10 + 0.1] for place in range(SIZE)]
"""What the official judge gave the answers in three runs: 0.0 to 0.8."""
SETS = [PublicSet("mm_vet", "a model", "answers.jsonl", ("model_gpt-4-grade-3runs.json",))]


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    case = write_case("mm_vet", tmp_path / "data" / "mm_vet")
    public = tmp_path / "data" / "judged"
    public.mkdir()
    (case.folder / "answers.jsonl").rename(public / "answers.jsonl")
    rows = {
        f"v1_{place}": {"model": ["gpt-4"] * 3, "content": list(map(str, runs)), "score": runs}
        for place, runs in enumerate(RUNS)
    }
    (public / "model_gpt-4-grade-3runs.json").write_text(json.dumps(rows))
    return tmp_path / "data"


@pytest.fixture
def judges():
    servers = []

    def start(shift):
        def says(body):
            place = int(re.findall(r"Which (\d+)\?", body["messages"][-1]["content"])[-1])
            return str(round(RUNS[place][0] + shift, 3))

        servers.append(TodaysServer(lambda body, text, _: completion(body["model"], text), says))
        return ChatSettings(base_url=servers[-1].url)

    yield start
    for server in servers:
        server.close()


def official(data):
    return Asked(OFFICIAL, None, data, ChatSettings())


def test_the_official_judge_beside_itself_has_no_bias_and_the_spread_of_its_runs(data, capsys):
    (entry,) = make_card(SETS, official(data), official(data)).entries
    assert (entry.answers, entry.unreadable) == (SIZE, 0)
    found, own = entry.agreement, entry.itself
    assert (found.bias.value, found.bias.low, found.bias.high) == (0, 0, 0)
    assert found.error.value == 0
    assert found.rank.value == pytest.approx(1)
    # The pairs of runs differ by 0, 0.1 and 0.1.
    assert own.error.value == pytest.approx(0.2 / 3)


def test_a_made_judge_shows_its_bias(data, judges):
    ours = Asked("openai:gpt-4o", None, data, judges(0.2))
    (entry,) = make_card(SETS, ours, official(data)).entries
    assert entry.agreement.bias.value == pytest.approx(0.2 - 0.1 / 3)
    assert entry.agreement.rank.value == pytest.approx(1)
    assert entry.totals["total"] == pytest.approx(100 * (0.35 + 0.2))
    assert entry.judge == "gpt-4o instead of gpt-4-0613"


def test_two_judges_beside_one_another(data, judges):
    low = Asked("openai:gpt-4o", None, data, judges(0.0))
    high = Asked("openai:gpt-4o-mini", None, data, judges(0.3))
    card = make_card(SETS, high, low)
    assert card.entries[0].agreement.bias.value == pytest.approx(0.3)
    assert card.entries[0].itself is None
    assert "| MM-Vet, a model | 8 | +0.300" in card_markdown(card)


def test_a_card_is_kept_and_tables_find_its_line(data, judges, capsys):
    ours = Asked("openai:gpt-4o", None, data, judges(0.2))
    card = make_card(SETS, ours, official(data))
    file = write_card(card)
    assert file.read_text() == card_markdown(card)
    (line,) = lines_of("mm_vet", "gpt-4o instead of gpt-4-0613")
    assert line.startswith("judge card, a model's 8 answers beside gpt-4 instead of gpt-4-0613")
    assert "bias +0.167" in line
    assert "of that judge with itself" in line
    assert not list(lines_of("mm_vet", "gpt-4-0613"))
    assert not list(lines_of("mmhal", "gpt-4o instead of gpt-4-0613"))
    print_card(card, file)
    assert f"kept: {file}" in capsys.readouterr().out.replace("\n", "")
    file.with_suffix(".json").write_text("{}")
    assert not list(lines_of("mm_vet", "gpt-4o instead of gpt-4-0613"))
    assert "not a judge card" in capsys.readouterr().err


@pytest.mark.parametrize("judge", ["oracle", "later", "replay:x.jsonl"])
def test_who_cannot_be_asked_has_no_card(data, judge):
    with pytest.raises(ConfigError, match="can be asked"):
        make_card(SETS, Asked(judge, None, data, ChatSettings()), official(data))


def test_answers_that_are_not_there_are_to_be_fetched(data):
    (data / "judged" / "answers.jsonl").unlink()
    with pytest.raises(DataError, match=r"no answers\.jsonl.*data fetch judged"):
        make_card(SETS, official(data), official(data))


def test_the_public_files_are_in_the_catalogue_and_fetched_where_they_are_named():
    known = catalogue()["judged"].files
    named = {name for one in PUBLIC for name in (one.answers, *one.replies)}
    assert named == set(known)
    assert {one.benchmark for one in PUBLIC} <= set(FILES)
    assert [one.name for one in chosen("judged")] == ["judged"]
    assert "judged" not in [one.name for one in chosen(None)]


def test_the_table_of_a_run_prints_the_card_of_its_judge(data, judges):
    write_card(make_card(SETS, Asked("openai:gpt-4o", None, data, judges(0.2)), official(data)))
    benchmark = load_benchmark("mm_vet")
    counts = {"samples": 8, "scored": 8, "unscored": 0, "empty": 0}
    judge = "gpt-4o instead of gpt-4-0613"
    scorecard = Scorecard(
        "mm_vet", "official", judge, "d", {"total": 50.0}, {"total": 50.0}, counts
    )
    run = RunResult("dpo", "dpo", None, "tiny", 0, {"mm_vet": scorecard})
    comparison = compare([run], "tiny", [benchmark])
    for table in (
        comparison_markdown(comparison, [benchmark]),
        run_markdown(comparison.rows[0], "tiny", [benchmark]),
    ):
        assert "judge card, a model's 8 answers" in table
