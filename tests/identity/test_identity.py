"""What decides a training, answers and judgements, and what does not."""

import shutil

import pyarrow.parquet as pq
import pytest
import world_fixture

from harness.errors import DataError
from harness.evaluation.held import of_base, of_run
from harness.identity.record import Record, name_of


def swapped(file):
    """Swap chosen and rejected in place, as a careless script does."""
    table = pq.read_table(file)
    names = {"chosen": "rejected", "rejected": "chosen"}
    pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), file)


def test_the_place_of_the_inputs_does_not_count(lab, tmp_path):
    before = lab.run().folder.path.name
    for name in ("model", "pairs.parquet", "benchmarks"):
        shutil.move(lab.folder / name, lab.folder / f"moved-{name}")
    lab.model, lab.pairs = lab.folder / "moved-model", lab.folder / "moved-pairs.parquet"
    assert lab.run().folder.path.name == before


@pytest.mark.parametrize(
    "words",
    [
        {"devices": 2},
        {"overrides": ("training.kernels=torch", "training.zero_stage=2")},
        {"overrides": ("evaluation.judge=openai", "evaluation.batch_size=1")},
        {"overrides": ("evaluation.protocol=rlaifv", "evaluation.max_new_tokens=5")},
        {"overrides": ("data.max_bad_rows=3", "data.expected_pairs=8")},
    ],
    ids=["devices", "kernels", "judge", "protocol", "limits"],
)
def test_the_machine_and_all_that_comes_later_do_not_name_a_training(lab, words):
    other = lab.run(*words.pop("overrides", ()), **words)
    assert other.folder.path.name == lab.run().folder.path.name


def test_dpo_reads_no_column_and_so_no_clip(lab):
    assert "hardness" not in lab.run().identity["data"]


def change_pairs(lab):
    swapped(lab.pairs)


def change_model(lab):
    (lab.model / "extra.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [(change_pairs, "data.preferences"), (change_model, "model.path")],
    ids=["pairs", "model"],
)
def test_changed_inputs_are_another_training_which_is_told(lab, capsys, change, said):
    first = lab.finish(lab.run(), 3.0)
    since = Record.read(first.folder.identity).since
    change(lab)
    second = lab.run()
    assert second.folder.path != first.folder.path
    second.begin()
    told = capsys.readouterr().err
    assert f"{said} changed since {since}" in told
    assert f"another training than {first.folder.path.name}, which stays" in told
    assert first.folder.model.exists()


def test_turned_code_of_a_method_is_another_training(lab, monkeypatch):
    before = lab.run().folder.path.name
    monkeypatch.setattr("harness.identity.training.source_digest", lambda module: "another")
    assert lab.run().folder.path.name != before


def test_the_same_values_in_other_words_are_the_same_run(lab):
    plain = lab.finish(lab.run(method="dama"), 2.0)
    paper = lab.run(method="dama", variant="paper")
    assert paper.folder == plain.folder


def test_a_pattern_that_finds_one_value_is_the_same_run_as_the_value(lab):
    plain, pattern = (lab.run(f"data.where={{type: {value}}}") for value in ("detail", "'DET*'"))
    assert pattern.folder == plain.folder


def test_a_folder_that_holds_another_training_is_refused(lab):
    run = lab.finish(lab.run(), 3.0)
    Record.now({"something": "else"}).write(run.folder.identity)
    with pytest.raises(DataError, match="not of the training that the folder is named by"):
        lab.run().begin()


def test_answers_are_named_by_checkpoint_questions_and_protocol_alone(lab):
    run = lab.finish(lab.run(), 3.0)
    plain = of_run(run).answers_name("mm_vet")

    def named(*overrides):
        return of_run(lab.run(*overrides)).answers_name("mm_vet")

    assert named("evaluation.batch_size=1") == plain
    assert named("evaluation.judge=openai", "evaluation.judge_runs=5") == plain
    assert named("evaluation.max_new_tokens=5") != plain
    assert of_base(run).answers_name("mm_vet") != plain
    (run.folder.model / "trained.txt").write_text("by somebody else")
    assert named() != plain


def test_a_judgement_is_named_by_the_answers_and_the_judge_as_asked(lab):
    run = lab.finish(lab.run(), 3.0)
    plain = of_run(run).judged("mm_vet")
    other = lab.folder / "other.jsonl"
    other.write_text('{"id": "v1_0", "replies": ["0.9"]}\n')
    moved = shutil.copy(lab.replies, lab.folder / "moved.jsonl")

    def judged(*overrides):
        return of_run(lab.run(*overrides)).judged("mm_vet")

    assert judged(f"evaluation.judge=replay:{moved}") == plain
    assert judged(f"evaluation.judge=replay:{other}") != plain
    four = judged("evaluation.judge=openai:gpt-4o")
    assert four != judged("evaluation.judge=openai")
    assert four != judged("evaluation.judge=openai:gpt-4o", "evaluation.judge_runs=5")


def test_a_name_is_the_hash_of_everything_that_decides(lab):
    run = lab.run()
    assert run.folder.path.name.endswith(f"-{name_of(run.identity)}")
    rows = world_fixture.rows(9)
    world_fixture.write_rows(lab.pairs, rows)
    assert not lab.run().folder.path.name.endswith(f"-{name_of(run.identity)}")
