"""The column severity, as a judge gave it, or of counted errors."""

import json

import pytest

from harness.data.columns.columns import ensure_columns, read_columns
from harness.errors import DataError, MissingColumn
from harness.settings.spec import HardnessSpec

NEEDED = frozenset({"severity"})
RATED = [1.0, 3.0, 0.0, 2.5, 2.0, 1.0]


def column(source, cache):
    file = ensure_columns(source, NEEDED, HardnessSpec(clip="none"), cache)
    return read_columns(file, NEEDED)["severity"].tolist()


def rated(rows, values=RATED):
    return [row | {"rejected_severity": one} for row, one in zip(rows, values, strict=True)]


def test_what_a_judge_gave_is_taken_as_it_is(rows, write, tmp_path):
    assert column(write(rated(rows)), tmp_path) == RATED


def test_errors_count_and_those_of_a_chosen_response_do_not(rows, write, tmp_path):
    told = [{"errors": 2}, {"errors": 1, "mislabelled": "yes"}, *[{"errors": 0}] * 4]
    made = [row | {"origin_split": json.dumps(one)} for row, one in zip(rows, told, strict=True)]
    assert column(write(made), tmp_path) == [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), None])
def test_a_row_without_a_severity_is_named(rows, write, tmp_path, value):
    made = rated(rows, [*RATED[:4], value, RATED[5]])
    with pytest.raises(DataError, match=r"row 4 has no severity: rejected_severity is"):
        column(write(made), tmp_path)


def test_data_without_are_refused_with_the_name_that_is_wanted(rows, write, tmp_path):
    """A rejected_score may be a reward, which says the opposite: it is offered, not taken."""
    source = write([row | {"rejected_score": 1.0} for row in rows])
    with pytest.raises(MissingColumn) as caught:
        column(source, tmp_path)
    said = str(caught.value)
    assert f"{source}: no column 'severity', which the method needs." in said
    assert "add the column of numbers rejected_severity" in said
    assert said.endswith("Nearest in the data: 'rejected_score'.")
