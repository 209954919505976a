"""`prepare` and `inspect` on data with a column of their own: no CLIP, no network."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

sys.path.append(str(Path(__file__).parents[1] / "training"))

from harness.commands import inspect, prepare
from harness.console import messages
from harness.errors import ConfigError, DataError
from harness.inspection.pair import _nothing_changed
from methods.segments import changed_tokens

RUN = CliRunner()


@pytest.fixture
def source(tmp_path, monkeypatch):
    import world_fixture

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    rows = world_fixture.rows(6)
    for row, gap in zip(rows, [0.5, -0.5, 0.1, 0.2, 0.3, 0.0], strict=True):
        row["clip_gap"] = gap
    rows[1]["chosen"] = "A \x1b[31mred[/bold] dog."
    return world_fixture.write_rows(tmp_path / "pairs.parquet", rows)


@pytest.fixture
def base(tmp_path):
    import world_fixture

    return world_fixture.write_base(tmp_path / "base")


def run(app, *words):
    result = RUN.invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_prepare_takes_a_column_that_is_there_and_draws_it(source, tmp_path):
    """The gaps sum to 0.6."""
    out = tmp_path / "out.parquet"
    told = json.loads(run(prepare.app, "--data", source, "--out", out, "--json"))
    assert told["summary"]["mean"] == pytest.approx(0.1)
    assert told["computed"] is False
    assert Path(told["picture"]).read_bytes().startswith(b"\x89PNG")
    assert pq.read_table(out)["clip_gap"].to_pylist() == [0.5, -0.5, 0.1, 0.2, 0.3, 0.0]


def test_hard_pairs_come_first_and_text_cannot_command_the_terminal(source, capsys):
    inspect_rows = ("hardness", "--data", source, "--top", 2)
    hard = shown(inspect_rows, capsys)
    assert hard.index("-0.5000") < hard.index("+0.0000")
    assert "+0.5000" not in hard
    assert "\x1b[31m" not in hard
    assert "[/bold]" in hard
    assert "+0.5000" in shown((*inspect_rows, "--order", "easy"), capsys)


def test_a_pair_shows_its_changed_tokens_in_brackets(source, base, capsys):
    """Both responses, by both rules, with the gap."""
    told = shown(("pair", "--data", source, "--index", 1, "--model", base), capsys)
    assert "segments by the rule 'paper'" in told
    assert "segments by the rule 'released'" in told
    assert "tokens changed" in told
    assert "clip_gap -0.500000 (mean +0.100000)" in told


def test_a_pair_of_which_nothing_is_marked_says_why():
    """A deletion at one end and an insertion at the other replace nothing."""
    assert "same tokens" in _nothing_changed([1, 2], [1, 2], 3)
    assert changed_tokens([1, 2, 3, 4, 5], [2, 3, 4, 5, 6], "paper") == ([False] * 5, [False] * 5)
    told = _nothing_changed([1, 2, 3, 4, 5], [2, 3, 4, 5, 6], 3)
    assert "runs of at least 3 equal tokens" in told
    assert "replaces nothing" in told


def test_foreign_data_need_the_name_of_a_tokenizer(source):
    with pytest.raises(ConfigError, match="whose tokenizer"):
        run(inspect.app, "inspect", "pair", "--data", source, "--index", 1)


def test_a_pair_that_is_not_there_is_named(source, base):
    with pytest.raises(DataError, match="no pair 6; there are 6"):
        run(inspect.app, "inspect", "pair", "--data", source, "--index", 6, "--model", base)


def test_a_wrong_word_is_told_with_what_is_allowed(source):
    words = ["--data", str(source), "--aggregation", "sum"]
    result = RUN.invoke(prepare.app, words)
    assert result.exit_code == 2
    assert "'--aggregation'" in result.output
    assert "'sum' is not one of 'sum_of_cosines', 'mean_of_cosines'" in result.output


def shown(words, capsys):
    """Return what `inspect` prints; rich's consoles write where the process does."""
    capsys.readouterr()
    with messages.capture():
        text = run(inspect.app, "inspect", *words)
    return text + capsys.readouterr().out
