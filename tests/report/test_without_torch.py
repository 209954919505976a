"""What is read from run folders is the same where only the core is installed."""

import pytest
from made import guard
from typer.testing import CliRunner
from without_extras import core

from harness.commands.app import app


@pytest.mark.parametrize(
    "words",
    [
        "list runs",
        "compare {run} --format csv",
        "show {run}",
        "claims --method dama --size tiny",
        "claims --method dama --size tiny --json",
    ],
)
def test_a_command_prints_the_same_with_and_without_torch(made, tmp_path, words):
    made.base(grade=0.25)
    run = made.run("dama", grade=1.0).path.name
    made.run("dpo", grade=0.5)
    asked = [*words.format(run=run).split(), "--out", str(made.out)]
    alone = core(tmp_path, *asked)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout == CliRunner().invoke(app, asked).stdout


def test_the_report_is_written_without_torch(made, tmp_path):
    made.base(grade=0.25)
    run = made.run("dama", grade=1.0)
    made.margins(run)
    guard(run, 0.5)
    done = core(tmp_path, "report", run.path.name, "--out", str(made.out), "--to", "report.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text("utf-8")
    assert all(f'id="{part}"' in page for part in ("margins", "abilities", "lengths"))
    assert "are not scored" not in page
