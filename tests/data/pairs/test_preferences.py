"""Reading and refusing preference data."""

import pytest

from harness.data.pairs.opening import validate
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError, MissingColumn


def test_rows_come_back_as_pairs(rows, write):
    pairs = Preferences(write(rows))
    assert len(pairs) == 6
    assert (pairs[4].row, pairs[4].pair_id, pairs[4].chosen) == (4, "4", rows[4]["chosen"])
    assert pairs[4].image == rows[4]["image"]["bytes"]
    validate(pairs)


def test_a_folder_holds_its_files_in_name_order(rows, write):
    first = write(rows[:2])
    second = first.with_name("train-1.parquet")
    first.rename(second)
    write(rows[2:3])
    assert [pair.pair_id for pair in Preferences(first.parent)] == ["2", "0", "1"]


@pytest.mark.parametrize("column", ["question", "chosen", "rejected", "image"])
def test_missing_column_is_named_with_its_file(rows, write, column):
    file = write([{name: row[name] for name in row if name != column} for row in rows])
    with pytest.raises(
        MissingColumn, match=rf"train-0.parquet: no column '{column}'; it has ds_name"
    ):
        Preferences(file)


def test_all_faulty_rows_are_listed_with_their_reasons(rows, write):
    rows[1]["chosen"] = "  "
    rows[2]["rejected"] = rows[2]["chosen"] + " "
    rows[3]["image"] = {"bytes": rows[3]["image"]["bytes"][:200], "path": None}
    rows[4]["question"] = "What is it, <image> or not?"
    with pytest.raises(DataError) as error:
        validate(Preferences(write(rows)))
    message = str(error.value)
    assert "4 of 6 rows cannot be used" in message
    assert "row 1: empty chosen" in message
    assert "row 2: chosen equals rejected" in message
    assert "row 3: unreadable image" in message
    assert "row 4: question contains <image>" in message


def test_a_row_without_an_image_is_refused(rows, write):
    rows[0]["image"] = {"bytes": b"", "path": None}
    with pytest.raises(DataError, match="row 0: unreadable image"):
        validate(Preferences(write(rows)))


def test_validation_tells_of_every_row(rows, write):
    told = []
    validate(Preferences(write(rows)), told.append)
    assert sum(told) == 6


def test_an_empty_folder_and_an_empty_file_are_refused(rows, write, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no \.parquet, \.jsonl, \.json file"):
        Preferences(tmp_path / "empty")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    file = tmp_path / "train.parquet"
    file.write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"train.parquet: cannot be read as preference data"):
        Preferences(file)


def test_digest_follows_the_content(rows, write):
    before = Preferences(write(rows)).digest
    assert Preferences(write(rows)).digest == before
    rows[0]["chosen"] += "!"
    assert Preferences(write(rows)).digest != before
