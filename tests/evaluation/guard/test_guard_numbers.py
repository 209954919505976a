"""Which of lmms-eval's results become numbers; a failure never does."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import DataError
from harness.evaluation.guard.records import (
    Ability,
    Guarded,
    read_record,
    record_path,
    records_in,
    write_record,
)
from harness.evaluation.guard.worker import _numbers, _reason

SCORES = (1.0, 0.0, 1.0, 1.0)


def found(results, samples=None, whole=4, higher=None):
    rows = [{"acc": one, "sums": {"score": one}} for one in SCORES] if samples is None else samples
    return {
        "samples": {"task": rows},
        "n-samples": {"task": {"original": whole, "effective": len(rows)}},
        "higher_is_better": {"task": higher or {}},
        "results": {"task": {"alias": "task", **results}},
    }


def test_numbers_keep_the_scale_of_the_task_and_its_direction():
    results = {"acc,none": np.float64(0.75), "sums,none": 1200.5, "name,none": "a", "no,none": None}
    metrics, items = _numbers(found(results, higher={"sums": False}), "task")
    assert items == 4
    assert metrics == {"acc": Ability(0.75, True), "sums": Ability(1200.5, False)}


def test_a_standard_error_is_that_of_the_metric():
    """lmms-eval gives a sum the error of the mean of its scores, which is none of the sum."""
    results = {
        "acc,none": 0.75, "acc_stderr,none": 0.25, "acc_stderr_clt,none": 0.3,
        "sums,none": 150.0, "sums_stderr,none": "N/A", "sums_stderr_clt,none": 0.25,
    }  # fmt: skip
    metrics, _ = _numbers(found(results), "task")
    assert (metrics["acc"].stderr, metrics["sums"].stderr) == (0.25, None)
    results["sums,none"] = 0.75
    assert _numbers(found(results), "task")[0]["sums"].stderr == 0.25


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (found({"acc,none": 0.75}, whole=5), "4 of 5 items were scored"),
        (found({"submission,none": None}), "gave no number"),
        (found({"acc,none": math.nan}), "acc is nan"),
    ],
)
def test_what_is_incomplete_or_no_number_is_a_failure(given, told):
    with pytest.raises(DataError, match=told):
        _numbers(given, "task")


def test_the_reason_is_what_was_raised_first_and_not_the_retry():
    retried = Exception("RetryError")
    retried.last_attempt = SimpleNamespace(exception=lambda: KeyError("gold"))
    assert _reason(retried) == "KeyError: 'gold'"
    assert _reason(DataError("no picture")) == "no picture"


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = Guarded("pope", {"checkpoint": "1"}, {"acc": Ability(0.5, True, 0.1)}, 4)
    write_record(record_path(tmp_path, "pope-1"), record)
    assert records_in(tmp_path) == [record]


def test_two_checkpoints_share_a_setting_and_two_versions_do_not():
    one = Guarded("pope", {"checkpoint": "1", "lmms_eval": "0.7.3"})
    assert one.setting == Guarded("pope", {"checkpoint": "2", "lmms_eval": "0.7.3"}).setting
    assert one.setting != Guarded("pope", {"checkpoint": "1", "lmms_eval": "0.7.4"}).setting


@pytest.mark.parametrize("text", ["[", "[]", '{"task": "a", "identity": 1, "metrics": {}}'])
def test_a_damaged_record_is_named_and_left_out(tmp_path, capsys, text):
    file = record_path(tmp_path, "pope-1")
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(DataError, match="not a record of a guard's task"):
        read_record(file)
    assert records_in(tmp_path) == []
    assert "left out" in capsys.readouterr().err


def test_a_value_that_is_no_number_is_no_record(tmp_path):
    file = record_path(tmp_path, "pope-1")
    write_record(file, Guarded("pope", {}, {"acc": Ability(0.5, True)}, 4))
    file.write_text(json.dumps(json.loads(file.read_text())).replace("0.5", "NaN"))
    with pytest.raises(DataError):
        read_record(file)
