"""What the system refuses is a sentence: what, where, and what to do."""

import errno
import os

import pytest

from harness.errors import ConfigError
from harness.files.atomic import write_text
from harness.files.faults import in_log, require_folder, require_writable, told
from harness.files.jsonlines import JsonLines

KEPT = "What is done is kept: the same command continues."


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/a/b"),
            ("/a/b: No space left on device. Free some space there", "HARNESS_CACHE", KEPT),
        ),
        (
            OSError(errno.ENOTDIR, "Not a directory", "/a/b"),
            ("/a/b: Not a directory. Mend this place", "--out", KEPT),
        ),
        (OSError(errno.EROFS, "Read-only file system", "/a", None, "/b"), ("/a -> /b: Read-only",)),
        (OSError("Can't load\n  the model."), (f"Can't load the model. {KEPT}",)),
        (OSError(errno.ECONNREFUSED, "Connection refused"), (f"Connection refused. {KEPT}",)),
        (OSError(), (f"OSError. {KEPT}",)),
        (OSError("https://me:word@host is down"), ("https://***@host",)),
    ],
)
def test_an_error_is_a_sentence(error, parts):
    said = told(error)
    assert all(part in said for part in parts), said
    assert "\n" not in said


PYTHON = "OSError: [Errno 28] No space left on device: '/runs/x/model.bin'\n"
RUST = (
    "[rank0]: safetensors_rust.SafetensorError: Error while serializing: I/O error: "
    "No space left on device (os error 28)\n"
)


@pytest.mark.parametrize(
    ("log", "number", "path"),
    [
        (f"Traceback\n{PYTHON}", 28, "/runs/x/model.bin"),
        (f"Traceback\n{RUST}[rank0]: ended\n", 28, None),
        (f"{PYTHON}PermissionError: [Errno 13] Permission denied: '/other'\n", 13, "/other"),
    ],
)
def test_the_last_error_of_a_log_that_names_a_number_counts(log, number, path):
    found = in_log(log)
    assert (found.errno, found.filename) == (number, path)


@pytest.mark.parametrize(
    "log",
    [
        "",
        "ValueError: a bad number\n",
        "a warning about [Errno 28] in passing\n",
        "ConnectionError: [Errno 111] Connection refused\n",
    ],
)
def test_other_ends_are_not_taken_for_one(log):
    assert in_log(log) is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's full device")
def test_a_write_that_fails_names_its_file(tmp_path):
    """The system names no file where a write fails, only where one is opened."""
    full = tmp_path / "rows.jsonl"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as refused:
        JsonLines(full).append({"step": 1})
    assert refused.value.filename == str(full)


def test_a_file_that_cannot_be_committed_is_named(tmp_path, monkeypatch):
    def full(*_paths):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("harness.files.atomic.sync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_text(tmp_path / "card.json", "{}")
    assert refused.value.filename == str(tmp_path / "card.json")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for place in (file, file / "below" / "it"):
        with pytest.raises(ConfigError, match=rf"^--out {place}: {file} is no folder"):
            require_folder(place, "--out")
    require_folder(tmp_path / "new" / "one", "--out")
    assert not (tmp_path / "new").exists()


def test_an_impossible_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^--out .*no folder has such a name"):
        require_folder(tmp_path / ("x" * 300), "--out")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_a_folder_that_takes_no_file_is_refused():
    """Nobody, root included, can make a file in /proc."""
    with pytest.raises(ConfigError, match=r"^--out /proc/x: nothing can be written in /proc \("):
        require_writable("/proc/x", "--out")


def test_looking_leaves_nothing_behind(tmp_path):
    require_writable(tmp_path / "out", "--out")
    assert list(tmp_path.iterdir()) == []
