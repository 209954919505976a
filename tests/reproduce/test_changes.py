"""Inputs change between two calls: what depends on them is made again, and nothing else is."""

import pyarrow.parquet as pq
import pytest
from called import Called

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


TRAINED = "runs/dpo-*/model/model.safetensors"
ANSWERED = "runs/*/responses/*.jsonl"
JUDGED = "runs/*/judgements/*/scorecard.json"


def swap(file):
    table = pq.read_table(file)
    names = {"chosen": "rejected", "rejected": "chosen"}
    pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), file)


def test_only_what_depends_on_a_change_is_made_again(tmp_path):
    called = Called(tmp_path)
    called.reproduce()
    (first,) = called.runs()
    trained, answered, judged = (called.made(one) for one in (TRAINED, ANSWERED, JUDGED))
    assert (len(trained), len(answered), len(judged)) == (1, 2, 2)

    # How it is computed: nothing is made again.
    called.reproduce(evaluation__batch_size=7, training__zero_stage=2)
    assert [called.made(one) for one in (TRAINED, ANSWERED, JUDGED)] == [trained, answered, judged]

    # Another judge: one command for the comparison, one for a run alone.
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "v1_0", "replies": ["1.0"]}\n')
    shown = called.reproduce(evaluation__judge=f"replay:{other}")
    assert "100.0" in shown.stdout
    assert [called.made(one) for one in (TRAINED, ANSWERED)] == [trained, answered]
    assert len(called.made(JUDGED)) == 4
    third = tmp_path / "third.jsonl"
    third.write_text('{"id": "v1_0", "replies": ["0.0"]}\n')
    assert "0.0" in called.call("judge", first, "--judge", f"replay:{third}").stdout
    assert [called.made(one) for one in (TRAINED, ANSWERED)] == [trained, answered]

    # Chosen and rejected swapped in place: another training, which is told; the old one stays.
    swap(called.lab.pairs)
    told = called.reproduce()
    assert "data.preferences changed since" in told.stderr
    assert len(called.runs()) == 2
    assert first in called.runs()
    assert "(data " in told.stdout
    for one, before in ((TRAINED, trained), (ANSWERED, answered)):
        now = called.made(one)
        assert len(now) == len(before) + 1, "the base model's answers are those that are there"
        assert before.items() <= now.items()

    # A run that is not there is named, with what there is.
    refused = called.call("evaluate", "dpo-tiny-seed9-none", code=1)
    assert "no run of" in refused.stderr
    assert "list runs" in refused.stderr
