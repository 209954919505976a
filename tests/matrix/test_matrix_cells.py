"""What is asked for is a list of cells, or a list of everything that is wrong with it."""

import json

import pytest

from harness.errors import ConfigError, PreflightError
from harness.matrix.cells import MatrixRequest, check, resolved
from harness.matrix.run import VISIBLE, seats
from harness.matrix.stage import stage_of
from harness.settings.request import Request


def asked(methods, sizes=("tiny",), **shared):
    return MatrixRequest(methods=methods, sizes=sizes, shared=Request(method="", **shared))


def test_cells_are_sizes_by_methods_by_seeds():
    cells = resolved(asked(("dpo", "dama:released"), ("tiny", "7b"), seeds=(0, 1)))
    assert [cell.label for cell in cells] == [
        *("dpo tiny seed 0", "dpo tiny seed 1"),
        *("dama released tiny seed 0", "dama released tiny seed 1"),
        *("dpo 7b seed 0", "dpo 7b seed 1"),
        *("dama released 7b seed 0", "dama released 7b seed 1"),
    ]


def test_all_wrong_names_are_told_at_once_with_the_nearest_ones():
    with pytest.raises(ConfigError) as told:
        resolved(asked(("damma", "dama:relesed", "dpo"), ("tiny", "7")))
    message = str(told.value)
    assert "- Unknown method 'damma'. Did you mean 'dama'?" in message
    assert "- dama:relesed: Unknown variant 'relesed'. Did you mean 'released'?" in message
    assert "- Method 'dpo' has no preset for size '7'. Did you mean '7b'?" in message
    assert message.count("damma") == 1


def test_a_run_under_two_names_is_refused():
    """`paper` is what the preset of dama is without a variant."""
    with pytest.raises(ConfigError, match="dama tiny is asked for twice"):
        resolved(asked(("dama", "dama:paper")))


def test_the_problems_of_all_sizes_are_told_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    overrides = ("evaluation.judge=openai", "training.batch_pairs=7", "training.devices=2")
    cells = resolved(asked(("dpo",), ("tiny", "7b"), out=tmp_path / "out", overrides=overrides))
    with pytest.raises(PreflightError) as told:
        check(cells, one_machine=False)
    assert "- dpo tiny cannot start:" in str(told.value)
    assert "- dpo 7b cannot start:" in str(told.value)
    assert not (tmp_path / "out").exists()


def test_cells_at_the_same_time_share_the_gpus_out(monkeypatch):
    monkeypatch.setenv(VISIBLE, "4,5,6,7")
    cells = resolved(asked(("dpo",), devices=2))
    assert seats(2, cells) == [{VISIBLE: "4,5"}, {VISIBLE: "6,7"}]
    assert seats(1, cells) == [{}]
    with pytest.raises(PreflightError, match="need 6 GPUs; 4 are there"):
        seats(3, cells)


def test_cells_at_the_same_time_share_the_cores_out_where_there_are_no_gpus(monkeypatch):
    """Threads of two cells on the same cores would wait for each other."""
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("harness.matrix.run.gpus", list)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)))
    assert seats(2, resolved(asked(("dpo",)))) == [{"OMP_NUM_THREADS": "4"}] * 2
    assert seats(2, resolved(asked(("dpo",), devices=2))) == [{"OMP_NUM_THREADS": "2"}] * 2
    assert seats(1, resolved(asked(("dpo",)))) == [{}]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert seats(2, resolved(asked(("dpo",)))) == [{"OMP_NUM_THREADS": "3"}] * 2


def test_the_stage_is_read_from_the_files_of_the_run(bench):
    """A row of step 41 of epoch 0.25 says 164 steps an epoch, and the preset has 3 epochs."""
    (cell,) = bench.cells()
    run, held = cell.run.folder, bench.held(cell)
    assert str(stage_of(cell)) == "base model: answers"
    run.path.mkdir(parents=True)
    run.metrics.write_text(json.dumps({"step": 41, "epoch": 0.25}) + '\n{"step": 42, "ep')
    assert str(stage_of(cell)) == "training 41/164"
    (bench.folder / "trained").rename(run.model)
    assert str(stage_of(cell)) == "answers"
    run.responses.mkdir()
    journal = run.responses / f"{held.answers_name('mm_vet')}.journal.jsonl"
    journal.write_text(
        json.dumps({"identity": {}, "samples": 50}) + "\n" + '{"id": 0, "response": "a"}\n' * 7
    )
    assert str(stage_of(cell)) == "answers 7/50"
    held.responses("mm_vet").touch()
    assert str(stage_of(cell)) == "scores 0/1 benchmarks"
