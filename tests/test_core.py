"""The core needs nothing that an extra brings, and says which extra brings what is missing."""

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from without_extras import core

from harness.errors import PACKAGES
from harness.registry import load_method, method_names
from harness.settings.preset_files import METHOD, read_preset, sizes

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
IMPORTED_AS = {
    "liger-kernel": "liger_kernel",
    "lmms-eval": "lmms_eval",
    "mlflow-skinny": "mlflow",
    "open_clip_torch": "open_clip",
    "scikit-learn": "sklearn",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one question of MM-Vet, an answer and a reply of the judge."""
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (tmp_path / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (tmp_path / "judge_prompt.txt").write_text("Question | Answer | Prediction | Correctness")
    (tmp_path / "answers.jsonl").write_text('{"id": "v1_0", "response": "A tiger"}\n')
    (tmp_path / "replies.jsonl").write_text('{"id": "v1_0", "replies": ["0.5"]}\n')
    return tmp_path


@pytest.mark.parametrize("extra", ["train", "gpu", "judge", "track"])
def test_every_package_of_an_extra_is_known_to_come_with_it(extra):
    asked = [Requirement(line).name for line in PROJECT["optional-dependencies"][extra]]
    found = {IMPORTED_AS.get(name, name) for name in asked if name != PROJECT["name"]}
    assert found == {name for name, brings in PACKAGES.items() if brings == extra}


def test_who_develops_has_what_trains():
    extras = PROJECT["optional-dependencies"]
    assert "alignment-harness[gpu]" in extras["dev"]
    assert "alignment-harness[train]" in extras["gpu"]


def test_saved_answers_are_scored(folder):
    asked = ("--benchmark", "mm_vet", "--responses", "answers.jsonl", "--data", ".", "--json")
    done = core(folder, "score", *asked, "--judge", "replay:replies.jsonl")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["official"]["total"] == 50.0


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "list methods",
        "list runs",
        "list columns",
        "data list",
        "show --method dama --size 7b",
    ],
)
def test_what_is_listed_and_shown_needs_no_more(folder, words):
    done = core(folder, *words.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        ("show --method dama --size 7b --set method.beta=0.2", "torch", "train"),
        ("reproduce --method dpo --size tiny", "pyarrow", "train"),
        ("prepare --columns clip_gap --data pairs.json", "pyarrow", "train"),
        ("gpu-check", "torch", "train"),
    ],
)
def test_what_needs_an_extra_says_so_in_one_line(folder, words, package, extra):
    done = core(folder, *words.split())
    wanted = (
        f"error: this needs {package}, which is not installed: "
        f"pip install 'alignment-harness[{extra}]'\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", wanted)


@pytest.mark.parametrize("method", method_names())
def test_presets_name_every_value_of_their_method(method):
    """So that what was run can be told from its preset where the method cannot be imported."""
    fields = {f"{METHOD}.{name}" for name in load_method(method).config.model_fields}
    for size in sizes(method):
        assert fields <= read_preset(method, size).values.keys()
