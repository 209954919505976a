"""Whatever preference data hold, `prepare` answers in words: the file, the row and the reason."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from data_cases import CASES, Case

from harness.__main__ import main

LONGEST = 1500
"""Characters of a message about one row."""


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return exit code and stderr of a command that runs in this process."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_data_are_told_with_file_and_row(said, tmp_path: Path, case: Case):
    file = tmp_path / "data" / case.file
    file.parent.mkdir()
    file.write_bytes(case.content)
    code, error = said("prepare", "--data", str(file), *case.more)
    assert code in (1, 2)
    assert "Traceback" not in error
    assert case.told in error
    assert str(file) in error
    assert len(error) < LONGEST
