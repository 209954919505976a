"""A newcomer's method is trained by the printed commands, and stands in the table."""

import pytest
from newcomer import made, run

pytestmark = [pytest.mark.world, pytest.mark.processes, pytest.mark.timeout(1800)]


def test_a_new_method_is_trained_and_stands_in_the_table(tmp_path, monkeypatch):
    (_, *steps), place, site = made("method", "own_dpo", tmp_path, monkeypatch)
    for step in steps:
        done = run(step, site, place)
        assert done.returncode == 0, done.stdout + done.stderr
    table = (place / "results" / "tables" / "comparison-tiny.md").read_text()
    assert "own_dpo" in table
