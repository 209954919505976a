"""POPE comes from a package of its own: the numbers by hand, and the commands that find it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tiny_llava import make_checkpoint, make_picture

from benchmarks.types import Response, Unscored

sys.path.insert(0, str(Path(__file__).parents[1] / "example_plugin" / "src"))
from harness_example.pope import BENCHMARK, Verdict, aggregate, read, score

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "example_plugin"
LABELS = ("yes", "yes", "yes", "no", "no", "no", "no", "yes")
ANSWERS = (
    *("Yes", "Yes, there is. No doubt.", "No", "no", "There is not one.", "Yes, a red one."),
    *("Nothing", ""),
)
RESPONSES = [Response(i, text) for i, text in enumerate(ANSWERS, start=1)]


def question_file():
    rows = [
        {"question_id": i, "image": f"{i % 2}.png", "text": f"Is there a {i}?", "label": label}
        for i, label in enumerate(LABELS, start=1)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "pope"
    for place in range(2):
        make_picture(folder / "val2014" / f"{place}.png", (200 * place, 0, 90))
    (folder / "coco_pope_popular.json").write_text(question_file())
    return folder


@pytest.fixture
def site(tmp_path):
    """The package as an installer leaves it."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    folder = tmp_path / "site"
    shutil.copytree(PLUGIN / "src", folder)
    info = folder / "harness_example-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: harness-example\nVersion: 1.0.0\n")
    lines = [
        line
        for group, values in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in values.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def start(*arguments, site):
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


def samples():
    return read({"coco_pope_random.json": question_file()})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes", True),
        ("No", False),
        ("no, there is none", False),
        ("There is not a dog", False),
        ("Yes. There is no cat, though.", True),
        ("Yes, but no cat", False),
    ],
)
def test_first_sentence_decides_and_no_wins_over_yes(answer, said):
    assert score(samples()[0], Response(1, answer), []) == Verdict(said, True)


@pytest.mark.parametrize("answer", ["", "NO", "No!", "A dog", "no\n"])
def test_answer_without_either_word_counts_as_yes_but_is_left_out_of_the_careful_number(answer):
    """Words are what stands between blanks, as the published script splits."""
    found = score(samples()[3], Response(4, answer), [])
    assert isinstance(found, Unscored)
    assert found.counted_as == Verdict(said=True, truth=False)


def test_known_values():
    """Said yes: 1, 2, 6 and, unread, 7 and 8; true: 1, 2, 3 and 8; both: 1, 2 and 8.

    Right are 1, 2, 4, 5 and 8: accuracy 5/8, precision 3/5, recall 3/4, F1 6/9, yes 5/8.
    """
    scores = [score(*row, []) for row in zip(samples(), RESPONSES, strict=True)]
    counted = [one.counted_as if isinstance(one, Unscored) else one for one in scores]
    assert aggregate(counted) == pytest.approx(
        {"accuracy": 62.5, "precision": 60, "recall": 75, "f1": 100 * 6 / 9, "yes_ratio": 62.5}
    )


def test_only_wrong_no_answers_leave_the_precision_of_yes_out():
    found = aggregate([Verdict(said=False, truth=True)])
    assert found == {"accuracy": 0, "recall": 0, "f1": 0, "yes_ratio": 0}


def test_two_question_files_at_once_are_refused():
    """Their ids are the same."""
    with pytest.raises(ValueError, match="found 2"):
        read(dict.fromkeys(BENCHMARK.files[:2], question_file()))


def test_wrong_label_names_the_line():
    first, second, *_ = question_file().splitlines(keepends=True)
    with pytest.raises(ValueError, match=r"coco_pope_random\.json, line 2: not a question"):
        read({"coco_pope_random.json": first + second.replace("yes", "si")})


def test_it_is_listed_with_its_package_and_scored_by_the_command(site, data, tmp_path):
    listed = start("harness", "list", "benchmarks", "--json", site=site)
    assert {"name": "pope", "package": "harness-example"} in json.loads(listed.stdout)
    answers = tmp_path / "answers.jsonl"
    rows = [{"id": i, "response": text} for i, text in enumerate(ANSWERS, start=1)]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("--benchmark", "pope", "--data", data, "--responses", answers, "--json")
    scored = start("harness", "score", *arguments, site=site)
    assert scored.returncode == 0, scored.stderr
    card = json.loads(scored.stdout)
    assert card["official"]["precision"] == pytest.approx(60)
    # Without 7 and 8: said yes 1, 2 and 6, both 1 and 2.
    assert card["careful"]["precision"] == pytest.approx(100 * 2 / 3)
    assert card["counts"] == {"samples": 8, "scored": 6, "unscored": 2, "empty": 1}


@pytest.mark.processes
def test_its_questions_are_answered_by_a_model(site, data, tmp_path):
    out = tmp_path / "out"
    made = start(
        *("harness.evaluation.generation.generate", "--model", make_checkpoint(tmp_path / "model")),
        *("--data", data.parent, "--out", out, "--benchmarks", "pope", "--batch-size", "4"),
        *("--template", "vicuna_v1", "--transform", "center_crop", "--max-new-tokens", "3"),
        site=site,
    )
    assert made.returncode == 0, made.stderr
    rows = [json.loads(line) for line in (out / "pope.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 9))
