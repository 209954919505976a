"""`list columns`: what `prepare` can compute."""

from typer.testing import CliRunner

from harness.commands.app import app


def test_computable_columns_are_listed():
    done = CliRunner().invoke(app, ["list", "columns"])
    assert done.exit_code == 0
    assert done.stdout.split() == [
        "name",
        "clip_gap",
        "margin_factor",
        "severity",
        "token_severity",
    ]
