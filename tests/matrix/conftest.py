"""A matrix whose cells are small real processes."""

import pytest
from matrix_bench import Bench


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.go.touch()
