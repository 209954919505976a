"""A model that is there already: what is asked of it is looked at before anything is answered."""

import shutil

import pytest
from lab import Lab

from harness.errors import ConfigError
from harness.evaluation.held import of_run
from harness.files.jsonlines import JsonLines
from harness.llm.messages import ChatSettings
from harness.reproduce.evaluate_one import Wanted, evaluate_one


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return Lab(tmp_path / "lab")


@pytest.fixture
def answered(monkeypatch):
    """Which files of answers were made, as by a model."""
    made = []

    def generate(model, spec, model_spec, data, out, log, *, processes, files):
        for name in files.values():
            made.append(name)
            JsonLines(out / f"{name}.jsonl").rewrite([{"id": "v1_0", "response": "A cat"}])

    monkeypatch.setattr("harness.evaluation.generation.launch.generate", generate)
    return made


def evaluate(lab, **changes):
    run = lab.finish(lab.run(), 3.0)
    shutil.rmtree(run.folder.judgements)
    evaluate_one(str(run.folder.path), Wanted(lab.out, changes, ChatSettings()))
    return of_run(run)


def test_a_model_is_answered_also_where_the_judge_comes_later(lab, answered):
    held = evaluate(lab, judge="later")
    assert answered == [held.answers_name("mm_vet")]
    assert not held.folder.judgements.exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"judge": "nobody"}, "Unknown judge 'nobody'"),
        ({"protocol": "nope"}, "has no protocol 'nope'"),
    ],
)
def test_an_unknown_name_is_refused_before_hours_of_answers(lab, answered, changes, told):
    with pytest.raises(ConfigError, match=told):
        evaluate(lab, **changes)
    assert answered == []
