"""Which tasks a guard may have, and what is said of the others before anything is spent."""

import json

import pytest
from PIL import Image

from harness.errors import DataError
from harness.evaluation.guard import documents, tasks
from harness.evaluation.guard.tasks import GuardTask, guard_problems, guard_tasks
from harness.settings.spec import EvaluationSpec

CHOICE = """\
task: choice
dataset_path: json
dataset_kwargs: {data_files: {test: choice.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: question
doc_to_choice: ["Yes", "No"]
doc_to_target: answer
metadata: {version: 2}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HARNESS_MIRROR", raising=False)


def asked(data="nowhere", *names, folder=None):
    return EvaluationSpec(
        benchmarks=("mm_vet",), data=str(data), judge="oracle", guard=names, guard_tasks=folder
    )


def told(spec):
    problems, missing = [], []
    guard_problems(spec, problems, missing)
    return problems, missing


@pytest.mark.processes
def test_what_has_no_number_here_is_refused_by_name(tmp_path):
    """As lmms-eval's own task manager knows the names."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "choice.yaml").write_text(CHOICE)
    names = ("pop", "mmbench_en_dev", "mmbench_en_test", "pope", "choice", "mmmu")
    problems, missing = told(asked(tmp_path, *names, folder=str(folder)))
    pop, judged, submitted, group = problems
    assert pop.startswith("guard task pop: lmms-eval has no such task. Near: pope")
    assert "guard task mmbench_en_dev: a language model gives gpt_eval_score" in judged
    assert "Take mmbench_en_dev_static" in judged
    assert "guard task mmbench_en_test" in submitted
    assert "write a file for a server" in submitted
    assert "mmmu: this is a group of tasks" in group
    data, choice = missing
    assert "snapshot_download('lmms-lab-encoder/POPE', repo_type='dataset')" in data
    assert f"choice: there is no {folder / 'choice.jsonl'}" in choice


def fake_look(monkeypatch, **facts):
    """Let every name be a task of these facts; return the names that were looked up."""
    looked = []

    def look(names, folder):
        looked.extend(names)
        return (GuardTask(name, **facts) for name in names)

    monkeypatch.setattr(tasks, "_looked_up", look)
    return looked


def test_a_task_is_looked_up_once_and_anew_where_its_folder_changed(tmp_path, monkeypatch):
    folder = tmp_path / "tasks"
    folder.mkdir()
    file = folder / "own.yaml"
    file.write_text("task: own")
    looked = fake_look(monkeypatch, file=str(file), dataset_path="json")
    spec = asked(tmp_path, "own", "own", folder=str(folder))
    assert guard_tasks(spec) == guard_tasks(spec)
    assert looked == ["own"]
    before = guard_tasks(spec)[0].config
    file.write_text("task: own # and more")
    assert guard_tasks(spec)[0].config != before
    assert looked == ["own", "own"]


def test_a_refused_task_is_looked_up_again(tmp_path, monkeypatch):
    looked = fake_look(monkeypatch, problem="no such task.")
    for _ in range(2):
        assert told(asked(tmp_path, "pop"))[0] == ["guard task pop: no such task."]
    assert looked == ["pop", "pop"]


def test_without_a_guard_nothing_is_looked_at(monkeypatch):
    looked = fake_look(monkeypatch)
    assert told(asked()) == ([], [])
    assert looked == []


def test_a_folder_of_tasks_that_is_not_there_is_named():
    assert told(asked("nowhere", "own", folder="/no/such"))[1] == [
        "--guard-tasks /no/such: there is no such folder."
    ]


def test_data_of_a_mirror_are_told_apart_by_their_content(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_MIRROR", str(tmp_path / "mirror"))
    file = tmp_path / "mirror" / "owner" / "set" / "test.parquet"
    task = GuardTask("own", dataset_path="owner/set", file=str(tmp_path / "own.yaml"))
    with pytest.raises(DataError, match=f"Put them into {tmp_path / 'mirror' / 'owner/set'}"):
        task.data(asked())
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one")
    first = task.data(asked())
    file.write_bytes(b"other")
    assert task.data(asked()) != first


def tiny_world(folder, answer="The sign says 3.<OR>3", source="tiny world"):
    (folder / "mm_vet" / "images").mkdir(parents=True, exist_ok=True)
    (folder / "amber" / "image").mkdir(parents=True, exist_ok=True)
    for file in ("mm_vet/images/0.png", "amber/image/AMBER_1.jpg"):
        Image.new("RGB", (8, 8)).save(folder / file)
    row = {"question": "What does the sign say?", "answer": answer, "imagename": "0.png"}
    row |= {"capability": ["ocr"], "imagesource": source}
    long = row | {"answer": "A cow.<AND>It moos.", "capability": ["rec", "gen"]}
    (folder / "mm_vet" / "mm-vet.json").write_text(json.dumps({"v1_0": row, "v1_1": long}))
    queries = [{"id": i, "image": "AMBER_1.jpg", "query": f"Is it {i}?"} for i in (1, 2)]
    types = ("discriminative-hallucination", "discriminative-attribute-state")
    annotations = [{"id": i, "type": kind, "truth": "yes"} for i, kind in enumerate(types, 1)]
    (folder / "amber" / "query_all.json").write_text(json.dumps(queries))
    (folder / "amber" / "annotations.json").write_text(json.dumps(annotations))
    return folder


def test_the_tiny_task_asks_short_questions_and_none_about_what_is_missing(tmp_path):
    reading, attribute = documents.tiny_documents(tiny_world(tmp_path))
    assert (reading["answer"], reading["kind"]) == (["The sign says 3.", "3"], "reading")
    assert (attribute["question"], attribute["answer"]) == ("Is it 2?", ["yes"])


def test_other_answers_or_pictures_are_other_documents(tmp_path):
    first = documents.digest(documents.tiny_documents(tiny_world(tmp_path)))
    other = documents.digest(documents.tiny_documents(tiny_world(tmp_path, "The sign says 4.")))
    Image.new("RGB", (9, 9)).save(tmp_path / "mm_vet" / "images" / "0.png")
    assert len({first, other, documents.digest(documents.tiny_documents(tmp_path))}) == 3


@pytest.mark.parametrize("source", ["VQA", None])
def test_the_published_benchmark_is_no_tiny_world(tmp_path, source):
    with pytest.raises(DataError, match="asks the questions of a tiny world"):
        documents.tiny_documents(tiny_world(tmp_path, source=source))


def test_a_tiny_world_that_is_not_built_is_not_missing(monkeypatch):
    fake_look(monkeypatch, file=str(tasks.OWN / "tiny_ability.yaml"), dataset_path="json")
    assert told(asked("world:benchmarks", "tiny_ability")) == ([], [])
    assert "does not hold the questions" in told(asked("nowhere", "tiny_ability"))[1][0]


def test_an_answer_is_right_without_its_stop_and_in_any_case():
    from harness.evaluation.guard.tiny.scoring import scores

    doc = {"answer": ["The sign says 3.", "3"], "kind": "reading"}
    assert scores(doc, ["the sign says 3"]) == {"accuracy": 1.0, "reading": 1.0}
    assert scores(doc, ["13"]) == {"accuracy": 0.0, "reading": 0.0}
