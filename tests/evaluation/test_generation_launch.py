import json

import pytest
from tiny_llava import make_checkpoint, make_picture

from harness.errors import HarnessError
from harness.evaluation.launch import generate
from harness.spec import EvaluationSpec, ModelSpec

MODEL_SPEC = ModelSpec(path="unused")


def spec(benchmarks=("mm_vet",)):
    return EvaluationSpec(
        benchmarks=benchmarks, data="unused", judge="oracle", batch_size=2, max_new_tokens=5
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A checkpoint, and three questions in the format of MM-Vet."""
    root = tmp_path_factory.mktemp("world")
    make_checkpoint(root / "model")
    rows = {}
    for place in range(3):
        make_picture(root / f"data/mm_vet/images/v1_{place}.png", (80 * place, 0, 0))
        rows[f"v1_{place}"] = {
            "imagename": f"v1_{place}.png", "question": "What is this?", "answer": "A square.",
            "capability": ["rec"],
        }  # fmt: skip
    (root / "data" / "mm_vet" / "mm-vet.json").write_text(json.dumps(rows))
    return root


@pytest.mark.processes
@pytest.mark.parametrize("processes", [1, 2])
def test_process_answers_a_benchmark_from_its_published_files(world, tmp_path, processes):
    """With two processes one of them holds two of the three samples, the other one."""
    log = tmp_path / "logs" / "generate.log"
    generate(
        world / "model", spec(), MODEL_SPEC, world / "data", tmp_path, log,
        threads=1, processes=processes,
    )  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "mm_vet.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["v1_0", "v1_1", "v1_2"]
    assert all(row["response"] for row in rows)
    assert log.exists()


def test_failure_shows_the_end_of_the_log_and_what_to_do(world, tmp_path):
    log = tmp_path / "generate.log"
    with pytest.raises(HarnessError, match=r"(?s)exit code 1.*mm-vet\.json is missing"):
        generate(world / "model", spec(), MODEL_SPEC, tmp_path / "no", tmp_path, log, threads=1)
    assert "mm-vet.json is missing" in log.read_text()


def test_nothing_is_started_when_everything_is_there(tmp_path):
    (tmp_path / "mm_vet.jsonl").write_text("")
    log = tmp_path / "generate.log"
    generate(tmp_path / "no-model", spec(), MODEL_SPEC, tmp_path, tmp_path, log)
    assert not log.exists()
