"""What the tests of fetching share: a server on this machine."""

import pytest
from loopback import Loopback


@pytest.fixture
def web():
    server = Loopback()
    yield server
    server.close()
