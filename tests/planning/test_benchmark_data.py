"""What a benchmark reads besides its questions is looked for before anything is trained."""

import json
from pathlib import Path

import pytest

from benchmarks.types import Sample
from harness.planning.benchmark_data import missing_data, stand_in_taggers
from harness.registry import load_benchmark
from harness.settings.spec import EvaluationSpec
from harness.upstream.catalogue import catalogue

AMBER = [Sample(1, "Describe this image.", "image/AMBER_1.jpg", "generative")]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """NLTK's data are looked for in the test's own folder only."""
    monkeypatch.delenv("NLTK_DATA", raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def told(name: str, samples: list[Sample], data: Path, judge: str = "openai") -> list[str]:
    return list(missing_data(load_benchmark(name), samples, data / name, judge))


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path: Path):
    """Three questions about two pictures, and one that brings its own."""
    images = ("images/a.png", "images/b.png", "images/b.png", b"png")
    samples = [Sample(number, "What?", image) for number, image in enumerate(images)]
    touch(tmp_path / "mm_vet" / "images" / "a.png")
    (found,) = told("mm_vet", samples, tmp_path)
    assert "1 of 2 pictures" in found
    assert "the first: images/b.png" in found
    assert "python -m harness data fetch mm_vet" in found
    touch(tmp_path / "mm_vet" / "images" / "b.png")
    assert told("mm_vet", samples, tmp_path) == []


def test_pictures_that_no_program_can_fetch_come_with_what_to_do(tmp_path: Path):
    (found,) = told("amber", AMBER, tmp_path, "oracle")
    assert "1 of 1 pictures" in found
    assert "By hand: Download the image archive from Google Drive" in found


def test_nltk_s_data_are_told_with_their_command_and_no_table_of_words_is_asked_for(
    tmp_path: Path,
):
    touch(tmp_path / "amber" / "image" / "AMBER_1.jpg")
    (tagger,) = told("amber", AMBER, tmp_path)
    assert "no taggers/averaged_perceptron_tagger.zip in" in tagger
    assert "python -m harness data fetch nltk_data" in tagger
    for path in catalogue()["nltk_data"].files:
        touch(tmp_path / "nltk_data" / path)
    assert told("amber", AMBER, tmp_path) == []


def test_nltk_s_newer_form_of_the_tagger_will_do(tmp_path: Path):
    touch(tmp_path / "amber" / "image" / "AMBER_1.jpg")
    for path in catalogue()["nltk_data"].files:
        if not path.endswith(".zip"):
            touch(tmp_path / "nltk_data" / path)
    assert len(told("amber", AMBER, tmp_path)) == 1
    for part in ("weights", "tagdict", "classes"):
        name = f"averaged_perceptron_tagger_eng/averaged_perceptron_tagger_eng.{part}.json"
        touch(tmp_path / "nltk_data" / "taggers" / name)
    assert told("amber", AMBER, tmp_path) == []


def test_questions_that_nobody_tags_need_no_tagger(tmp_path: Path):
    yes_or_no = [Sample(1, "Is there a cat?", b"png", "discriminative-relation")]
    assert told("amber", yes_or_no, tmp_path) == []


@pytest.mark.parametrize("name", ["amber", "object_halbench"])
def test_recorded_nouns_need_no_tagger(tmp_path: Path, name: str):
    samples = [Sample(number, "What?", b"png", "generative") for number in (1, 2)]
    rows = [{"id": number, "replies": ['["cat"]'], "tagged": "[]"} for number in (1, 2)]
    replies = tmp_path / "replies.jsonl"
    replies.write_text("\n".join(map(json.dumps, rows)))
    assert told(name, samples, tmp_path, f"replay:{replies}") == []
    replies.write_text(json.dumps(rows[0]))
    assert "NLTK's data are needed" in told(name, samples, tmp_path, f"replay:{replies}")[0]


def test_a_tagger_that_is_not_installed_is_named_with_its_stand_in():
    evaluation = EvaluationSpec(benchmarks=("amber", "object_halbench"), data="d", judge="openai")
    (note,) = stand_in_taggers(evaluation)
    assert "benchmark 'object_halbench': NLTK stands in for the tagger en_core_web_trf" in note
    assert "python -m spacy download en_core_web_trf" in note
    assert not [*stand_in_taggers(evaluation.model_copy(update={"judge": "oracle"}))]


def test_nothing_is_said_of_a_tagger_that_is_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    evaluation = EvaluationSpec(benchmarks=("object_halbench",), data="d", judge="openai")
    assert not [*stand_in_taggers(evaluation)]
