"""What is written appears whole, or leaves everything as it was."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from unittest.mock import Mock

import pytest

from harness.files import atomic
from harness.files.atomic import write_text, written


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def make_folder(part):
    (part / "sub").mkdir(parents=True)
    (part / "sub" / "one").write_text("1")


def test_a_text_takes_the_place_of_an_older_one_and_its_folder_is_made(tmp_path):
    file = tmp_path / "new" / "a.txt"
    for text in ("one", "two \u2028 é\n"):
        write_text(file, text)
        assert file.read_bytes() == text.encode()
    assert names(tmp_path) == ["a.txt", "new"]


def test_a_folder_appears_whole(tmp_path):
    with written(tmp_path / "model") as part:
        make_folder(part)
        assert not (tmp_path / "model").exists()
    assert names(tmp_path) == ["model", "one", "sub"]


MODES = """
import sys
import numpy as np
from pathlib import Path
from safetensors.numpy import save_file
from harness.files.atomic import written
folder = Path(sys.argv[1])
with written(folder / "one.safetensors") as part:
    save_file({"a": np.zeros(1)}, part)
with written(folder / "model") as part:
    (part / "sub").mkdir(parents=True)
    save_file({"a": np.zeros(1)}, part / "sub" / "two.safetensors")
    (part / "three").touch()
"""


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_are_open_to_whom_the_umask_lets_in(tmp_path, umask, mode):
    """Those of safetensors as well, whose writer shuts out all others."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MODES, str(tmp_path)]
    subprocess.run(command, env=os.environ | path, umask=umask, check=True)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {mode}


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    with written(tmp_path / "model") as part:
        make_folder(part)
    with pytest.raises(OSError, match="not empty"), written(tmp_path / "model") as part:
        part.mkdir()
    assert names(tmp_path) == ["model", "one", "sub"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("one_writer", [False, True])
@pytest.mark.parametrize("make", [make_folder, lambda part: part.touch(), lambda part: None])
def test_after_an_error_nothing_is_left_and_the_target_stays(
    tmp_path, monkeypatch, error, one_writer, make
):
    write_text(tmp_path / "a", "old")
    monkeypatch.setattr(atomic, "commit", Mock(side_effect=error))
    with pytest.raises(error), written(tmp_path / "a", one_writer) as part:
        make(part)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_two_writers_at_once_share_nothing(tmp_path):
    """Threads of one process too; the last one to end wins, with all of its text."""
    both = threading.Barrier(2)

    def write(letter):
        with written(tmp_path / "a") as part, part.open("w") as stream:
            for _ in range(100):
                both.wait(10)
                stream.write(letter)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "xy"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in ("x" * 100, "y" * 100)
    assert names(tmp_path) == ["a"]


def killed_while_writing(target):
    with written(target, one_writer=True) as part:
        make_folder(part)
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    """Ten kills leave as much as one, under a name that stands for nothing."""
    for _ in range(10):
        process = multiprocessing.Process(target=killed_while_writing, args=(tmp_path / "model",))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert names(tmp_path) == [".model.partial", "one", "sub"]
    with written(tmp_path / "model", one_writer=True) as part:
        make_folder(part)
        (part / "two").touch()
    assert names(tmp_path) == ["model", "one", "sub", "two"]


def test_all_is_on_the_disk_before_the_name_and_the_name_after_it(tmp_path, monkeypatch):
    forced = []

    def sync(*paths):
        forced.append(({path.name for path in paths}, (tmp_path / "model").exists()))

    monkeypatch.setattr(atomic, "sync", sync)
    with written(tmp_path / "model", one_writer=True) as part:
        make_folder(part)
    assert forced == [({".model.partial", "sub", "one"}, False), ({tmp_path.name}, True)]
