"""What `rm` says, refuses, and leaves alone."""

import shutil

import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.errors import ConfigError, DataError, PreflightError
from harness.upkeep import remove
from harness.upkeep.folders import aside


def rm(stored, *words, answer=None):
    return CliRunner().invoke(app, ["rm", *words, "--out", str(stored.out)], input=answer)


def test_what_is_lost_is_said_and_no_is_no(stored):
    before = stored.bytes_of_all()
    tables = stored.out / "tables"
    tables.mkdir()
    (tables / "comparison-tiny.csv").write_text(f"run\n{stored.name}\n")
    said = rm(stored, stored.name, answer="n\n")
    assert said.exit_code == 1
    assert "3 answers to 1 benchmarks" in said.output
    assert "1 judgements with 3 replies" in said.output
    assert "named in the tables comparison-tiny.csv" in said.output
    assert before.items() <= stored.bytes_of_all().items()


def test_only_its_folder_goes_and_a_link_in_it_leads_nowhere(stored, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    (stored.run.path / "logs").symlink_to(outside)
    other = stored.run.path.with_name("model-other-0")
    shutil.copytree(stored.run.path, other, symlinks=True)
    assert rm(stored, stored.name, "--yes").exit_code == 0
    assert not stored.run.path.exists()
    assert other.exists()
    assert (outside / "kept.txt").read_text() == "kept"
    assert [one.name for one in stored.out.iterdir()] == ["runs"]


def test_a_run_that_somebody_works_on_stays(stored):
    with stored.run.locked(), pytest.raises(PreflightError, match="Another process is working on"):
        remove.removable(stored.name, stored.out)


@pytest.mark.parametrize("name", ["", ".", "..", "nothing"])
def test_what_is_no_run_stays(stored, name, monkeypatch):
    monkeypatch.chdir(stored.data)
    with pytest.raises((ConfigError, DataError)):
        remove.removable(name, stored.out)


def test_a_link_to_a_run_is_no_run(stored):
    link = stored.run.path.with_name("link")
    link.symlink_to(stored.run.path)
    with pytest.raises(DataError, match="is a link to"):
        remove.removable("link", stored.out)


def test_killed_in_the_middle_it_is_no_run_any_more_and_the_next_call_goes_on(stored, monkeypatch):
    monkeypatch.setattr(remove.shutil, "rmtree", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        remove.remove(stored.run)
    assert not stored.run.path.exists()
    assert aside(stored.run.path, "removed").is_dir()
    monkeypatch.undo()
    assert rm(stored, stored.name).exit_code == 0
    assert not aside(stored.run.path, "removed").exists()
