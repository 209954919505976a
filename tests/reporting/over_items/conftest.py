import pytest
from made_runs import Maker


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path / "made")
