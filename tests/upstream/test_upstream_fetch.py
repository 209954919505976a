"""Fetching over real HTTP: continued, checked, atomic, and never a wrong file in its place."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest

from harness.errors import DataError
from harness.upstream.catalogue import Dataset
from harness.upstream.fetch import fetch, report
from harness.upstream.transfer import Web

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
TEXT = b"a prompt: {question}"


def sha(content):
    return hashlib.sha256(content).hexdigest()


def one_file(web, content=CONTENT, name="file.bin", **more):
    row = {"url": f"{web.url}/{name}", "sha256": sha(content), **more}
    return Dataset(name="made", licence="none", files={name: row})


def quick():
    return Web(pause=0.001, attempts=3, timeout=5)


def arrived(tmp_path, name="file.bin"):
    return (tmp_path / "made" / name).read_bytes()


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*") if "partial" in path.name)


def test_a_file_arrives_and_is_written_down(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    assert fetch(one_file(web), tmp_path, quick()) == []
    row = json.loads((tmp_path / "made" / "fetched.json").read_text())["file.bin"]
    assert arrived(tmp_path) == CONTENT
    assert (row["sha256"], row["bytes"]) == (sha(CONTENT), len(CONTENT))
    assert left_over(tmp_path) == []


def test_what_is_there_is_not_asked_for_again(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    fetch(one_file(web), tmp_path, quick())
    fetch(one_file(web), tmp_path, quick())
    assert web.ranges["/file.bin"] == [None]


@pytest.mark.parametrize("tag", ['"v1"', None])
def test_a_dropped_connection_is_continued_where_it_broke(web, tmp_path, tag):
    web.files["/file.bin"], web.tags["/file.bin"] = CONTENT, tag
    web.faults["/file.bin"].drop_after = [40_960, 20_480]
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT
    assert web.ranges["/file.bin"] == [None, "bytes=40960-", "bytes=61440-"]


def test_drops_that_bring_something_are_not_counted_as_failures(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    web.faults["/file.bin"].drop_after = [4096] * 10
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT


def test_a_server_without_ranges_starts_anew(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    web.faults["/file.bin"].ignore_range = True
    web.faults["/file.bin"].drop_after = [40_960]
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT


def test_another_version_is_never_glued_to_the_first_half(web, tmp_path):
    web.files["/file.bin"], web.tags["/file.bin"] = b"\0" * 102_400, '"v1"'
    web.faults["/file.bin"].drop_after = [40_960]
    dataset = Dataset(
        name="made", licence="none", files={"file.bin": {"url": f"{web.url}/file.bin"}}
    )
    source = Web(pause=0.001, attempts=1, timeout=5)
    assert len(fetch(dataset, tmp_path, source)) == 1
    web.files["/file.bin"], web.tags["/file.bin"] = CONTENT, '"v2"'
    assert fetch(dataset, tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT


def test_a_partial_file_of_something_else_is_thrown_away(web, tmp_path):
    """Without an ETag only the hash tells: the first half was of another file."""
    web.files["/file.bin"] = CONTENT
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / ".file.bin.partial").write_bytes(b"\0" * 5000)
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT


def test_a_finished_partial_file_needs_no_byte_more(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / ".file.bin.partial").write_bytes(CONTENT)
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert web.ranges["/file.bin"] == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("content", [b"<html>sign in</html>", CONTENT[:-1], CONTENT + b"x", b""])
def test_wrong_content_never_gets_the_name(web, tmp_path, content):
    web.files["/file.bin"] = content
    (problem,) = fetch(one_file(web), tmp_path, quick())
    assert "not the published file" in problem.what
    assert not (tmp_path / "made" / "file.bin").exists()
    assert left_over(tmp_path) == []


def test_a_damaged_file_is_replaced(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "file.bin").write_bytes(CONTENT[:-5])
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT


def test_a_busy_server_is_asked_again(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    web.faults["/file.bin"].status = [503, 429]
    assert fetch(one_file(web), tmp_path, quick()) == []
    assert len(web.ranges["/file.bin"]) == 3


def test_not_found_is_reported_at_once_and_the_rest_stays(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    rows = {name: {"url": f"{web.url}/{name}"} for name in ("absent.bin", "file.bin")}
    problems = fetch(Dataset(name="made", licence="none", files=rows), tmp_path, quick())
    assert [problem.path.name for problem in problems] == ["absent.bin"]
    assert "404" in report(problems)
    assert web.ranges["/absent.bin"] == [None]
    assert arrived(tmp_path) == CONTENT


def test_an_unreachable_host_is_tried_once_per_host_not_per_file(tmp_path):
    rows = {f"{n}.bin": {"url": f"http://127.0.0.1:9/{n}.bin"} for n in range(50)}
    start = time.monotonic()
    source = Web(pause=0.1, attempts=2, timeout=5)
    assert len(fetch(Dataset(name="made", licence="none", files=rows), tmp_path, source)) == 50
    assert time.monotonic() - start < 3


def test_a_page_in_place_of_an_unpinned_file_is_refused(web, tmp_path):
    web.files["/rows.jsonl"] = b"<html>rate limit</html>"
    rows = {"rows.jsonl": {"url": f"{web.url}/rows.jsonl"}}
    (problem,) = fetch(Dataset(name="made", licence="none", files=rows), tmp_path, quick())
    assert "not such a file" in problem.what
    assert not (tmp_path / "made" / "rows.jsonl").exists()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def from_archive(web, content, *members):
    return Dataset(
        name="made",
        licence="none",
        archives={"all.zip": {"url": f"{web.url}/all.zip", "sha256": sha(content)}},
        files={f"{i}.bin": {"inside": "all.zip", "member": name} for i, name in enumerate(members)},
    )


def test_members_come_from_one_download_which_is_then_removed(web, tmp_path):
    web.files["/all.zip"] = content = zipped(a__one=b"1", a__two=b"2", other=b"3")
    assert fetch(from_archive(web, content, "a/one", "a/two"), tmp_path, quick()) == []
    assert (arrived(tmp_path, "0.bin"), arrived(tmp_path, "1.bin")) == (b"1", b"2")
    assert web.ranges["/all.zip"] == [None]
    assert not list(tmp_path.rglob("all.zip"))


def test_names_inside_an_archive_decide_no_path(web, tmp_path):
    """A member called ../../evil is written under the name of the catalogue, if at all."""
    web.files["/all.zip"] = content = zipped(**{"..__..__evil": b"x", "good": b"1"})
    assert fetch(from_archive(web, content, "good"), tmp_path / "deep" / "data", quick()) == []
    assert [path.name for path in tmp_path.rglob("evil*")] == []


def test_a_link_inside_an_archive_is_refused(web, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    web.files["/all.zip"] = buffer.getvalue()
    (problem,) = fetch(from_archive(web, buffer.getvalue(), "link"), tmp_path, quick())
    assert "not a plain file" in problem.what


def test_a_missing_archive_is_asked_for_once(web, tmp_path):
    problems = fetch(from_archive(web, b"", "a", "b", "c"), tmp_path, quick())
    assert len(problems) == 3
    assert len(web.ranges["/all.zip"]) == 1


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "a\\b", ""])
def test_a_catalogue_cannot_name_a_path_outside(path):
    with pytest.raises(ValueError, match="inside the folder"):
        Dataset(name="made", licence="none", files={path: {"url": "http://x"}})


def with_script(web, script):
    return Dataset(
        name="made",
        licence="none",
        files={
            "scripts/s.py": {"url": f"{web.url}/s.py", "sha256": sha(script)},
            "judge_prompt.txt": {"inside": "scripts/s.py", "literal": "prompt"},
        },
    )


def test_a_prompt_is_read_from_its_script_and_the_script_written_down(web, tmp_path):
    web.files["/s.py"] = script = b'raise SystemExit\r\nprompt = """a {}\r\nb"""\r\n'
    assert fetch(with_script(web, script), tmp_path, quick()) == []
    assert arrived(tmp_path, "judge_prompt.txt") == b"a {}\nb"
    record = json.loads((tmp_path / "made" / "fetched.json").read_text())
    assert record["judge_prompt.txt"]["script_sha256"] == sha(script)


def test_a_changed_prompt_is_restored(web, tmp_path):
    web.files["/s.py"] = script = b'prompt = "a"'
    fetch(with_script(web, script), tmp_path, quick())
    (tmp_path / "made" / "judge_prompt.txt").write_text("be generous")
    assert fetch(with_script(web, script), tmp_path, quick()) == []
    assert arrived(tmp_path, "judge_prompt.txt") == b"a"


def test_a_damaged_record_is_an_error_with_its_path(web, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "fetched.json").write_text("{")
    with pytest.raises(DataError, match=r"fetched\.json"):
        fetch(one_file(web), tmp_path, quick())


def test_two_fetches_at_once_download_once(web, tmp_path):
    web.files["/file.bin"] = CONTENT
    web.faults["/file.bin"].seconds_per_chunk = 0.005
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(one_file(web), tmp_path, quick())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[], []]
    assert web.ranges["/file.bin"] == [None]


FETCH = """
import sys
from pathlib import Path
from harness.upstream.catalogue import Dataset
from harness.upstream.fetch import fetch
from harness.upstream.transfer import Web
fetch(Dataset.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Web())
"""


@pytest.mark.processes
def test_a_killed_fetch_is_continued(web, tmp_path):
    web.files["/file.bin"], web.tags["/file.bin"] = CONTENT, '"v1"'
    web.faults["/file.bin"].seconds_per_chunk = 0.2
    dataset = one_file(web)
    command = [sys.executable, "-c", FETCH, dataset.model_dump_json(), str(tmp_path)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    partial = tmp_path / "made" / ".file.bin.partial"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    have = partial.stat().st_size
    assert 0 < have < len(CONTENT)
    web.faults["/file.bin"].seconds_per_chunk = 0
    assert fetch(dataset, tmp_path, quick()) == []
    assert arrived(tmp_path) == CONTENT
    assert web.ranges["/file.bin"] == [None, f"bytes={have}-"]
