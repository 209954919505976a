import pytest
from lab import Lab
from made_runs import Maker


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path / "made")
