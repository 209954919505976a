"""The column margin_factor, of rewards under every name that is known, and of counted errors."""

import json
import math

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.data.columns.columns import ensure_columns, read_columns
from harness.data.columns.margins.margin_factor import factor
from harness.data.columns.margins.rewards import REWARDS, margin_columns, margins
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError, MissingColumn
from harness.settings.spec import HardnessSpec

NEEDED = frozenset({"margin_factor"})
CHOSEN = [3.0, 1.0, 5.0, 4.0, 2.0, 0.5]
REJECTED = [1.0, 1.0, 1.0, 8.0, -2.0, 0.0]
MARGINS = [2.0, 0.0, 4.0, -4.0, 4.0, 0.5]
FACTORS = [0.632121, 0.0, 0.864665, 0.0, 0.864665, 0.221199]
"""1 - 1/e, 0, 1 - 1/e², 0, 1 - 1/e², 1 - 1/e^0.25: k is 0.5."""


def scored(rows, names=("chosen_reward", "rejected_reward")):
    """Return the rows with rewards of both responses."""
    chosen, rejected = names
    return [
        row | {chosen: one, rejected: other}
        for row, one, other in zip(rows, CHOSEN, REJECTED, strict=True)
    ]


def column(source, cache, **settings):
    file = ensure_columns(source, NEEDED, HardnessSpec(clip="none", **settings), cache)
    return read_columns(file, NEEDED)["margin_factor"].tolist()


def test_it_grows_with_the_margin_and_a_negative_margin_counts_as_none():
    """1 - exp(-0.5 * 2) = 1 - 1/e; 1 - exp(-2 ln 2 / 2) = 1/2 with k = 1 and margin ln 2."""
    assert factor(2.0, 0.5) == pytest.approx(1 - 1 / math.e)
    assert factor(math.log(2), 1.0) == pytest.approx(0.5)
    assert [factor(margin, 0.5) for margin in (0.0, -3.0, -1e308)] == [0.0, 0.0, 0.0]
    assert factor(1e308, 0.5) == 1.0


@pytest.mark.parametrize("names", REWARDS, ids=" ".join)
def test_rewards_are_found_by_every_known_name(rows, write, tmp_path, names):
    assert column(write(scored(rows, names)), tmp_path) == pytest.approx(FACTORS, abs=1e-6)


def test_a_margin_is_taken_as_it_is(rows, write, tmp_path):
    source = write([row | {"margin": one} for row, one in zip(rows, MARGINS, strict=True)])
    assert column(source, tmp_path) == pytest.approx(FACTORS, abs=1e-6)


def test_the_first_known_names_count_and_text_is_no_reward(rows, write):
    both = [row | {"chosen_score": 9.0, "rejected_score": 0.0} for row in scored(rows)]
    pairs = Preferences(write([row | {"margin": "wide"} for row in both]))
    assert margin_columns(pairs) == ("chosen_reward", "rejected_reward")
    assert margins(pairs) == MARGINS


def test_another_k_is_another_column(rows, write, tmp_path):
    """1 - exp(-2) at margin 2 with k = 1."""
    source = write(scored(rows))
    assert column(source, tmp_path)[0] == pytest.approx(1 - math.exp(-1))
    assert column(source, tmp_path, margin_k=1.0)[0] == pytest.approx(1 - math.exp(-2))


def test_the_data_s_own_column_goes_first(rows, write, tmp_path):
    source = write([row | {"margin_factor": 0.25} for row in scored(rows)])
    assert column(source, tmp_path) == [0.25] * 6


def told(rows, *others):
    """Return rows of which the first has two errors, the second one and was mislabelled."""
    wanted = [{"errors": 2, "mislabelled": "no"}, {"errors": 1, "mislabelled": "yes"}, *others]
    return [row | {"origin_split": json.dumps(one)} for row, one in zip(rows, wanted, strict=False)]


def test_errors_that_rows_count_are_margins(rows, write, tmp_path):
    pairs = Preferences(write(told(rows, {"errors": 0})))
    assert margins(pairs) == [2.0, -1.0, 0.0]
    expected = [1 - math.exp(-1), 0.0, 0.0]
    assert column(pairs.source, tmp_path) == pytest.approx(expected)


@pytest.mark.parametrize(
    "other", [{"errors": "3"}, {"errors": -1}, {"errors": 10**400}, {"model": "none"}, [1]]
)
def test_a_row_that_counts_no_errors_is_named(rows, write, tmp_path, other):
    with pytest.raises(DataError, match=r"train-0\.parquet row 2 has no margin: origin_split is '"):
        column(write(told(rows, other)), tmp_path)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_row_without_a_reward_is_named(rows, write, tmp_path, value):
    bad = scored(rows)
    bad[4]["rejected_reward"] = value
    with pytest.raises(DataError, match=r"row 4 has no margin: chosen_reward is 2\.0, rejected_re"):
        column(write(bad), tmp_path)


def test_data_without_rewards_are_refused_with_the_names_that_are_wanted(rows, write, tmp_path):
    source = write([row | {"chosen_reward": 1.0} for row in rows])
    with pytest.raises(MissingColumn) as caught:
        column(source, tmp_path)
    said = str(caught.value)
    assert f"{source}: no column 'margin_factor', which the method needs." in said
    assert "chosen_reward and rejected_reward" in said
    assert "score_chosen and score_rejected" in said
    assert "a margin_factor of 0 in every row will do." in said
    assert said.endswith("Nearest in the data: 'chosen_reward'.")


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_prepare_computes_it_for_scores_of_one_s_own(rows, write, tmp_path, form):
    """Margin 2 with k = 1."""
    made = scored(rows, ("chosen_score", "rejected_score"))
    source = write(made)
    if form == "jsonl":
        source = tmp_path / "pairs.jsonl"
        (tmp_path / "0.png").write_bytes(made[0]["image"]["bytes"])
        lines = (json.dumps(row | {"image": "0.png", "image_path": None}) for row in made)
        source.write_text("\n".join(lines))
    out = tmp_path / "out.parquet"
    words = ["prepare", "--columns", "margin_factor", "--data", str(source), "--margin-k", "1"]
    done = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines()[0] == "margin_factor of 6 pairs"
    assert "margins are chosen_score - rejected_score; 1 of 6 are below 0" in done.stderr
    written = pq.read_table(out)["margin_factor"].to_pylist()
    assert written[0] == pytest.approx(1 - math.exp(-2))
