"""What all tests share: no network, quiet libraries, one tiny world per machine."""

import os

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# pytest-xdist narrows its workers to 80 columns, which tables obey.
os.environ.pop("COLUMNS", None)

# The first example of a test compiles kernels or imports a library; time says nothing here.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that start processes first: they take longest, and workers end together."""
    slow = {item.path for item in items if item.get_closest_marker("processes")}
    items.sort(key=lambda item: item.path not in slow)
