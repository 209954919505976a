"""Scores in shards: nothing is computed twice, nothing is lost, what is missing is reported."""

import json
import multiprocessing
import os
import time

import pyarrow.parquet as pq
import pytest
from hardness_data import Endpoint, serving, write_clip

from harness.data.columns import clip_gap as scoring
from harness.data.columns import score_shards as shards
from harness.data.columns.columns import ensure_columns, summary_file
from harness.data.columns.summary import Summary, data_factor
from harness.data.pairs.export import write_with_columns
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError, DataError, JudgeError
from harness.llm.chat import ChatSettings
from harness.settings.spec import HardnessSpec

GAP = frozenset({"clip_gap"})


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def bare(rows):
    """Return six rows without the column."""
    for row in rows:
        del row["clip_gap"]
    return rows


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Two pairs to a shard, and a cache of the test's own."""
    monkeypatch.setattr(shards, "SHARD_PAIRS", 2)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "test")


def spec(folder, **values):
    return HardnessSpec(clip=f"local-dir:{folder}", **values)


def values_of(file):
    return pq.read_table(file)["clip_gap"].to_pylist()


def shard_files(cache):
    return {file: file.stat().st_mtime_ns for file in cache.glob("hardness/*/shard-*.parquet")}


def broken_after(monkeypatch, count):
    """Make the scorer fail like a killed process once `count` shards are done."""
    score, done = scoring.Scorer.score, []

    def failing(self, rows, advance):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(rows)
        return score(self, rows, advance)

    monkeypatch.setattr(scoring.Scorer, "score", failing)


def test_an_interrupted_job_goes_on_where_it_was(bare, write, clip_folder, tmp_path, monkeypatch):
    source, hardness = write(bare), spec(clip_folder)
    whole = values_of(ensure_columns(source, GAP, hardness, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        broken_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            ensure_columns(source, GAP, hardness, tmp_path / "c")
    before = shard_files(tmp_path / "c")
    assert len(before) == 2
    file = ensure_columns(source, GAP, hardness, tmp_path / "c")
    after = shard_files(tmp_path / "c")
    assert len(after) == 3
    assert before.items() <= after.items()
    assert values_of(file) == whole


def test_another_aggregation_scores_nothing(bare, write, clip_folder, tmp_path, monkeypatch):
    source = write(bare)
    first = ensure_columns(source, GAP, spec(clip_folder), tmp_path)
    broken_after(monkeypatch, 0)
    other = spec(clip_folder, aggregation="mean_of_cosines")
    assert values_of(ensure_columns(source, GAP, other, tmp_path)) != values_of(first)


def test_a_damaged_shard_is_told_and_scored_again_alone(bare, write, clip_folder, tmp_path, caplog):
    source = write(bare)
    file = ensure_columns(source, GAP, spec(clip_folder), tmp_path)
    gaps, before = values_of(file), shard_files(tmp_path)
    file.unlink()
    damaged, *_ = before
    damaged.write_bytes(damaged.read_bytes()[:100])
    told: list[int] = []
    assert values_of(ensure_columns(source, GAP, spec(clip_folder), tmp_path, told.append)) == gaps
    assert (told[0], sum(told)) == (4, 6)
    assert f"{damaged} is damaged and is made again" in caplog.text
    assert len(set(before.items()) - set(shard_files(tmp_path).items())) == 1


def test_a_damaged_shard_that_is_looked_at_is_named(tmp_path):
    damaged = shards.Shards(tmp_path, 3)
    damaged.file(1).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"shard-.*damaged.*Remove it"):
        damaged.pair(2)


class Slow:
    """Scores a shard in a twentieth of a second, and notes its first row and its process."""

    def __init__(self, pairs, *_):
        self.log = pairs.log

    def score(self, rows, advance):
        time.sleep(0.05)
        with self.log.open("a") as log:
            log.write(f"{rows[0]} {os.getpid()}\n")
        advance(len(rows))
        side = shards.ScoredSide(("a",), (0.5,), None)
        return [shards.ScoredPair(row, 1.0, None, side, side) for row in rows]


class Eleven:
    """Stands for pairs that nobody reads."""

    def __init__(self, log):
        self.log = log

    def __len__(self):
        return 11


@pytest.fixture
def scored(monkeypatch, tmp_path):
    """Return what starts a process that scores eleven pairs in six shards, and its log."""
    monkeypatch.setattr(scoring, "Scorer", Slow)
    found, log = shards.Shards(tmp_path / "scores", 11), tmp_path / "log"

    def score(told=None):
        amounts = []
        scoring.score_missing(Eleven(log), found, None, None, tmp_path, amounts.append)
        if told is not None:
            told.put(sum(amounts))

    def start(told=None):
        process = multiprocessing.get_context("fork").Process(target=score, args=(told,))
        process.start()
        return process

    return start, found, log


def scored_rows(log):
    return [int(line.split()[0]) for line in log.read_text().splitlines()]


@pytest.mark.processes
def test_two_processes_share_the_shards_and_both_hear_of_all_pairs(scored):
    start, found, log = scored
    told = multiprocessing.Queue()
    both = [start(told), start(told)]
    assert [told.get(timeout=60), told.get(timeout=60)] == [11, 11]
    for one in both:
        one.join()
    assert sorted(scored_rows(log)) == [0, 2, 4, 6, 8, 10]
    assert {int(line.split()[1]) for line in log.read_text().splitlines()} == {
        one.pid for one in both
    }
    assert [pair.row for number in range(6) for pair in found.read(number)] == list(range(11))


@pytest.mark.processes
def test_a_killed_process_costs_the_shard_that_it_was_at(scored):
    start, found, log = scored
    killed = start()
    while not found.file(2).exists():
        assert killed.is_alive()
    killed.kill()
    killed.join()
    start().join()
    rows = scored_rows(log)
    assert sorted(set(rows)) == [0, 2, 4, 6, 8, 10]
    assert len(rows) <= 7
    assert max(map(rows.count, (0, 2, 4))) == 1
    assert not list(found.folder.glob("*.partial"))


def test_an_image_unreadable_at_scoring_is_reported_and_stops_at_the_end(
    bare, write, clip_folder, tmp_path
):
    bare[1]["image"] = {"bytes": b"no image", "path": None}
    with pytest.raises(DataError, match=r"(?s)1 of 6 pairs have no clip_gap.*row 1, image"):
        ensure_columns(write(bare), GAP, spec(clip_folder), tmp_path)
    assert len(shard_files(tmp_path)) == 3
    report = next(tmp_path.glob("hardness/*/unscored.jsonl"))
    told = json.loads(report.read_text("utf-8"))
    assert (told["row"], told["side"], told["file_row"]) == (1, "image", 1)


def test_responses_that_are_not_split_stop_or_are_split_by_rule(bare, write, clip_folder, tmp_path):
    """Row 2's chosen response is answered with nonsense; all others by one piece, as it is."""
    source = write(bare)
    refused = bare[2]["chosen"]
    ask = {"splitter": "endpoint", "splitter_model": "m"}
    with serving(Endpoint(lambda text: "No." if text == refused else text)) as endpoint:
        chat = ChatSettings(base_url=endpoint.url)
        with pytest.raises(DataError, match=r"1 of 6 pairs.*--unscored sentences"):
            ensure_columns(source, GAP, spec(clip_folder, **ask), tmp_path, chat=chat)
        asked = len(endpoint.asked)
    report = next(tmp_path.glob("hardness/*/unscored.jsonl"))
    assert [json.loads(line)["side"] for line in report.read_text().splitlines()] == ["chosen"]
    by_rule = spec(clip_folder, **ask, unscored="sentences")
    summary = Summary.read(summary_file(ensure_columns(source, GAP, by_rule, tmp_path)))
    assert (summary.pairs, summary.split_by_rule, summary.report) == (6, 1, str(report))
    assert asked == len({text for row in bare for text in (row["chosen"], row["rejected"])})


def test_an_endpoint_that_goes_away_loses_no_finished_shard(bare, write, clip_folder, tmp_path):
    source = write(bare)
    hardness = spec(clip_folder, splitter="endpoint", splitter_model="m")
    with serving(Endpoint(lambda text: text)) as endpoint:
        endpoint.reply, told = None, endpoint.reply
        answers = iter([told] * 4)
        endpoint.reply = lambda request: next(answers)(request)
        chat = ChatSettings(base_url=endpoint.url, attempts=1, workers=1, longest_wait=0.01)
        with pytest.raises(JudgeError, match="same command goes on"):
            ensure_columns(source, GAP, hardness, tmp_path, chat=chat)
        before = shard_files(tmp_path)
        assert before
        endpoint.reply = told
        ensure_columns(source, GAP, hardness, tmp_path, chat=chat)
    assert before.items() <= shard_files(tmp_path).items()


def test_the_factor_is_that_of_the_loss():
    """sigmoid(0) / sigmoid(ln 3) = (1/2) / (3/4)."""
    assert data_factor(0.0, 1.0986122886681098) == pytest.approx(2 / 3)
    assert data_factor(-2000.0, 0.0) == 0.0


def test_the_rows_are_written_once_more_with_the_column(bare, write, tmp_path):
    pairs = Preferences(write(bare)).without([1])
    target = tmp_path / "out" / "x.parquet"
    write_with_columns(pairs, {"clip_gap": [0.0, 0.2, 0.3, 0.4, 0.5]}, target)
    table = pq.read_table(target).to_pylist()
    kept = [row for i, row in enumerate(bare) if i != 1]
    assert [row.pop("clip_gap") for row in table] == [0.0, 0.2, 0.3, 0.4, 0.5]
    assert [row["idx"] for row in table] == [row["idx"] for row in kept]
    assert [row["image"]["bytes"] for row in table] == [row["image"]["bytes"] for row in kept]
    assert table[0]["origin_split"] == bare[0]["origin_split"]


def test_the_data_are_not_overwritten(bare, write):
    source = write(bare)
    with pytest.raises(ConfigError, match="this is the data itself"):
        write_with_columns(Preferences(source), {"clip_gap": [0.0] * 6}, source)
