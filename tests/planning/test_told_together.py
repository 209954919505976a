"""`plan`, `reproduce --dry-run` and `reproduce` name everything that is wrong, as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import world_fixture


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Words that name a folder in which each part has a fault of its own."""
    model = world_fixture.write_base(tmp_path / "model")
    (model / "model.safetensors").unlink()
    rows = world_fixture.rows(8)
    for row in rows:
        del row["clip_gap"]
    rows[2]["rejected"] = " "
    pairs = world_fixture.write_rows(tmp_path / "pairs.parquet", rows)
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (tmp_path / "benchmarks" / "mm_vet").mkdir(parents=True)
    (tmp_path / "benchmarks" / "mm_vet" / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    write_amber(tmp_path / "benchmarks" / "amber")
    values = (
        f"model.path={model}",
        f"data.preferences={pairs}",
        f"data.hardness.clip=local-dir:{tmp_path / 'clip'}",
        "data.order=by_image",
        f"evaluation.data={tmp_path / 'benchmarks'}",
        "evaluation.benchmarks=[mm_vet,amber,mmhal]",
        "evaluation.judge=openai",
        "training.batch_pairs=6",
    )
    return [word for value in values for word in ("--set", value)]


def write_amber(folder: Path) -> None:
    """One description, as published, without its picture and the table of similar words."""
    folder.mkdir()
    annotation = {"id": 1, "type": "generative", "truth": ["cat"], "hallu": ["dog"]}
    query = {"id": 1, "image": "AMBER_1.jpg", "query": "Describe this image."}
    contents = {"annotations": [annotation], "query_all": [query], "relation": {"cat": ["kitten"]}}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "safe_words.txt").write_text("picture")
    (folder / "metrics.txt").write_text("")


@pytest.mark.parametrize(
    "command",
    [["plan"], ["reproduce", "--dry-run"], ["reproduce"]],
    ids=["plan", "dry run", "run"],
)
def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, words: list[str], command: list[str]):
    """Pairs without DAMA's column need a CLIP; the broken row hides nothing of the others."""
    left = ("OPENAI_API_KEY", "NLTK_DATA")
    environment = {key: os.environ[key] for key in os.environ if key not in left}
    asked = [*command, "--method", "dama", "--size", "tiny", "--devices", "4", *words]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *asked, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"HARNESS_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in (
        "batch_pairs 6 is not a multiple of the 4 devices",
        "model/model.safetensors",
        "OPENAI_API_KEY is not set",
        "1 of 1 pictures that the questions of benchmark 'mm_vet' name",
        "1 of 1 pictures that the questions of benchmark 'amber' name",
        "benchmark 'amber': NLTK's data are needed",
        "not the data of benchmark 'mmhal'",
        "row 2: empty rejected",
        "there is no " + str(tmp_path / "clip" / "open_clip_config.json"),
    ):
        assert part in done.stderr, part
    assert not (tmp_path / "out").exists()
