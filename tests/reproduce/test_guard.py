"""General ability of a run that is there: only the tasks are run, and nothing is renamed."""

import json

import pytest
from lab import Lab

from harness.errors import PreflightError
from harness.evaluation.guard import run as guard_run
from harness.evaluation.guard import tasks
from harness.evaluation.guard.records import Ability, Guarded, write_record
from harness.evaluation.held import is_finished, of_base, of_run
from harness.files.jsonlines import JsonLines
from harness.launchers.choose import launcher_of
from harness.llm.messages import ChatSettings
from harness.matrix.cells import Cell
from harness.matrix.stage import stage_of
from harness.reporting.collect import print_comparison
from harness.reproduce.again import set_aside
from harness.reproduce.one_run import evaluate_base, run_one
from harness.reproduce.reproduce import _run_all
from harness.settings.request import Request

GUARD = "evaluation.guard=[tiny_ability]"
BATCH = "training.batch_pairs=4"
OWN = tasks.GuardTask(
    "tiny_ability", file=str(tasks.OWN / "tiny_ability.yaml"), version="1", dataset_path="json"
)
"""What lmms-eval's task manager says of it, which takes ten seconds; kept for all processes."""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A run with its answers and scorecards, and questions of a tiny world."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tasks, "_looked_up", lambda *_: iter([OWN]))
    made = Lab(tmp_path / "lab")
    file = made.data / "mm_vet" / "mm-vet.json"
    rows = json.loads(file.read_text())
    rows["v1_0"]["imagesource"] = "tiny world"
    file.write_text(json.dumps(rows))
    run = made.finish(made.run(BATCH), 3.0)
    for held in (of_run(run), of_base(run)):
        JsonLines(held.responses("mm_vet")).rewrite([{"id": "v1_0", "response": "A cat"}])
    return made


def files_below(folder):
    stats = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


@pytest.mark.processes
def test_a_guard_on_a_finished_run_runs_its_tasks_and_nothing_else(lab):
    plain, run = lab.run(BATCH), lab.run(BATCH, GUARD)
    assert is_finished(plain)
    assert run.folder == plain.folder
    assert run.spec.digest() == plain.spec.digest()
    assert of_run(run).answers("mm_vet") == of_run(plain).answers("mm_vet")
    assert of_run(run).judgement("mm_vet") == of_run(plain).judgement("mm_vet")
    assert not is_finished(run)
    before = files_below(run.folder.path)
    run_one(run, ChatSettings(), launcher_of(Request(method="dpo")))
    after = files_below(run.folder.path)
    added = {path.relative_to(run.folder.path).parts[0] for path in after.keys() - before.keys()}
    assert added <= {"guard", "logs", ".lock"}
    assert {path: stat for path, stat in after.items() if path in before} == before
    assert is_finished(run)
    (record,) = of_run(run).guarded()
    assert (record.failed, record.items) == (None, 1)
    assert set(record.metrics) == {"accuracy", "seeing"}
    assert of_run(plain).guarded() == []


@pytest.fixture
def work(monkeypatch):
    """What the process that runs the tasks writes: a number by model, or a failure."""
    fails = []

    def ran(held, _model, names, _log):
        for task, name in names.items():
            value = 0.75 if held.folder.path.name.startswith("base") else 0.5
            identity = held.guarding(task)
            done = Guarded(task, identity, {"accuracy": Ability(value, True)}, 1)
            if fails:
                done = Guarded(task, identity, failed=fails[0])
            write_record(guard_run.record_path(held.folder.path, name), done)
        return 0

    monkeypatch.setattr(guard_run, "_work", ran)
    return fails


def guarded(lab, request=None):
    run = lab.run(BATCH, GUARD)
    asked = request or Request(method="dpo", out=lab.out)
    _run_all([run], asked, launcher_of(asked))
    return run


def test_the_comparison_puts_the_base_model_beside_the_run(lab, work, capsys):
    run = guarded(lab)
    print_comparison(Request(method="dpo", out=lab.out), [run])
    assert "-0.250 ▼" in capsys.readouterr().out
    (table,) = (lab.out / "tables").glob("comparison-*.md")
    assert "| tiny_ability accuracy ↑ | 0.750 | 0.500 | -0.250 ▼ |" in table.read_text()
    assert "general_ability" in table.with_suffix(".csv").read_text()


def test_a_call_without_a_guard_shows_none(lab, work, capsys):
    guarded(lab)
    print_comparison(Request(method="dpo", out=lab.out), [lab.run(BATCH)])
    assert "General ability" not in capsys.readouterr().out


def test_a_failure_is_named_and_tried_again(lab, work, capsys):
    work.append("KeyError: 'gold'")
    run = guarded(lab)
    assert not is_finished(run)
    assert "guard task tiny_ability has no number: KeyError: 'gold'" in capsys.readouterr().err
    work.clear()
    guarded(lab)
    assert is_finished(run)
    assert of_base(run).is_finished


def test_no_judge_is_asked_where_only_the_guard_is_left(lab, work, monkeypatch):
    monkeypatch.setattr("harness.reproduce.reproduce.ask_first", None)
    assert is_finished(guarded(lab))


def test_an_unknown_task_stops_the_call_before_any_work(lab, work, monkeypatch):
    refused = [tasks.GuardTask("pop", problem="lmms-eval has no such task. Near: pope.")]
    monkeypatch.setattr(tasks, "_looked_up", lambda *_: iter(refused))
    run = lab.run(BATCH, "evaluation.guard=[pop]")
    asked = Request(method="dpo", out=lab.out)
    with pytest.raises(PreflightError, match="guard task pop: lmms-eval has no such task"):
        _run_all([run], asked, launcher_of(asked))


def test_answers_made_again_are_the_guard_s_too(lab, work):
    run = guarded(lab)
    set_aside([run], "answers", ChatSettings())
    assert of_run(run).unguarded() == ["tiny_ability"]
    assert list((lab.out / "history").rglob("tiny_ability-*.json"))


def test_another_checkpoint_or_code_has_other_numbers(lab, work, monkeypatch):
    run = guarded(lab)
    names = {of_run(run).guard_name("tiny_ability"), of_base(run).guard_name("tiny_ability")}
    monkeypatch.setattr("harness.evaluation.held.code", lambda: "other")
    names.add(of_run(run).guard_name("tiny_ability"))
    assert len(names) == 3


def test_a_matrix_says_when_a_cell_is_at_the_guard(lab):
    run = lab.run(BATCH, GUARD)
    assert str(stage_of(Cell(Request(method="dpo"), run))) == "general ability"


def test_the_base_model_is_run_once_for_all(lab, work, monkeypatch):
    guarded(lab)
    monkeypatch.setattr(guard_run, "_work", None)
    evaluate_base(lab.run(BATCH, GUARD), ChatSettings())
