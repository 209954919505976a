"""Runs that are made in no time."""

import pytest
from lab import Lab


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)
