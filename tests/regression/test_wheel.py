"""A whole run out of the wheel, in an empty folder."""

import os

import built_wheel
import pytest

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(1800)]


def test_the_wheel_reproduces_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "HARNESS_CACHE", str(tmp_path / "cache"))
    installed, empty = built_wheel.unpacked(tmp_path), tmp_path / "empty"
    done = built_wheel.harness(installed, empty, "reproduce", "--method", "dama")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "dama" in done.stdout
    assert (empty / "results" / "tables" / "comparison-tiny.md").is_file()
