"""A damaged run breaks no command: it is named on stderr, and the others stay."""

import pytest
from test_damaged import DAMAGES
from typer.testing import CliRunner

from harness.commands.app import app

UNREAD = {"broken_metrics", "endless_metrics"}
"""What `compare` does not read."""


def ran(made, *words):
    done = CliRunner().invoke(app, [*words, "--out", str(made.out)])
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_damage_is_named_by_compare_and_the_others_stay(made, damage):
    made.base(grade=0.25)
    sound, damaged = made.run("dpo", grade=0.5), made.run("dama", grade=1.0)
    damage(damaged)
    done = ran(made, "compare", sound.path.name, damaged.path.name)
    assert "| dpo | 1 |" in done.stdout
    assert "50.0" in done.stdout
    if damage.__name__ not in UNREAD:
        assert damaged.path.name in done.stderr


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_damage_breaks_no_list(made, damage):
    sound, damaged = made.run("dpo", grade=0.5), made.run("dama", grade=1.0)
    damage(damaged)
    done = ran(made, "list", "runs")
    assert sound.path.name in done.stdout
    assert damaged.path.name in done.stdout + done.stderr


def test_foreign_files_and_hostile_words_break_no_compare(made):
    made.base()
    sound, hostile = made.run("dpo"), made.run("dama", judge="<script>|`\u202e")
    (sound.path / "holiday.jpg").write_bytes(b"\xff\xd8")
    (made.out / "runs" / "notes").mkdir()
    done = ran(made, "compare", sound.path.name, hostile.path.name, "notes")
    assert "notes is left out" in done.stderr
    assert "<script>" not in done.stdout.replace("\\<script\\>", "")
    assert "| dpo | 1 |" in done.stdout
