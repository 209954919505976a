"""A matrix whose cells are small real processes."""

import json

import pytest
import world_fixture
from matrix_bench import Bench


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Overrides that name a small model, eight pairs and one question."""
    folder = tmp_path_factory.mktemp("small")
    model = world_fixture.write_base(folder / "model")
    pairs = world_fixture.write_rows(folder / "pairs.parquet", world_fixture.rows(8))
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (folder / "benchmarks" / "mm_vet").mkdir(parents=True)
    (folder / "benchmarks" / "mm_vet" / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    return (
        f"model.path={model}",
        f"data.preferences={pairs}",
        f"evaluation.data={folder / 'benchmarks'}",
        "evaluation.benchmarks=[mm_vet]",
        "data.hardness.clip=local-dir:none",
    )


@pytest.fixture
def bench(tmp_path, small):
    made = Bench(tmp_path, overrides=small)
    yield made
    made.go.touch()
