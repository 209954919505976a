"""A run comes out of its archive as it went in, or nothing does."""

import io
import json
import shutil
import tarfile

import pyarrow as pa
import pytest

from harness.errors import DataError, PreflightError
from harness.files.digests import text_digest
from harness.upkeep import unarchive as unpacking
from harness.upkeep.archive import LIST, archive
from harness.upkeep.unarchive import unarchive
from harness.upkeep.verify.verify import verify


@pytest.fixture
def packed(stored, tmp_path):
    file = tmp_path / "run.tar.zst"
    archive(stored.run, file)
    return file


def nothing_in(out):
    return not out.exists() or [one.name for one in out.iterdir()] in ([], [".unarchive.lock"])


def contents(folder):
    files = (one for one in folder.rglob("*") if one.is_file() and one.name != ".lock")
    return {one.relative_to(folder): one.read_bytes() for one in files}


def test_there_and_back_is_the_same_run(stored, packed, tmp_path):
    folder, is_new = unarchive(packed, tmp_path / "other")
    assert is_new
    assert folder.name == stored.name
    assert contents(folder) == contents(stored.run.path)
    assert unarchive(packed, tmp_path / "other") == (folder, False)
    found = [one.findings for one in verify(stored.name, tmp_path / "other", stored.data)]
    assert found == [[], []]


def test_equal_runs_give_equal_bytes(stored, packed, tmp_path):
    archive(stored.run, tmp_path / "again.tar.zst")
    assert packed.read_bytes() == (tmp_path / "again.tar.zst").read_bytes()


def test_without_its_checkpoint_a_run_can_be_verified(stored, tmp_path):
    for folder in (stored.run.model, stored.run.checkpoints):
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(b"0" * 4096)
    archive(stored.run, tmp_path / "light.tar.zst", without_checkpoint=True)
    folder, _ = unarchive(tmp_path / "light.tar.zst", tmp_path / "other")
    assert not list(folder.rglob("*.safetensors"))
    found = [one.findings for one in verify(stored.name, tmp_path / "other", stored.data)]
    assert found == [[], []]


def test_another_run_of_that_name_stays(stored, packed):
    stored.change(stored.card, "56.7", "56.8")
    before = stored.bytes_of_all()
    with pytest.raises(DataError, match="differs from the archive"):
        unarchive(packed, stored.out)
    assert stored.bytes_of_all() == before


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, -30, -5, -1])
def test_a_file_that_was_cut_off(packed, tmp_path, kept):
    content = packed.read_bytes()
    packed.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
    with pytest.raises(DataError, match="not the whole archive"):
        unarchive(packed, tmp_path / "other")
    assert nothing_in(tmp_path / "other")


@pytest.mark.parametrize("place", range(0, 100, 9))
def test_a_byte_that_was_changed(packed, tmp_path, place):
    content = bytearray(packed.read_bytes())
    content[len(content) * place // 100] ^= 0x41
    packed.write_bytes(bytes(content))
    with pytest.raises(DataError):
        unarchive(packed, tmp_path / "other")
    assert nothing_in(tmp_path / "other")


def hostile(
    file, name, kind=tarfile.REGTYPE, listed=True, run="model-x-0", content=b"1", told=b"1"
):
    """Write an archive whose second member is what the test says."""
    files = [{"name": name, "bytes": len(told), "sha256": text_digest(told)}] if listed else []
    text = json.dumps({"format": 1, "run": run, "files": files}).encode()
    first, second = tarfile.TarInfo(LIST), tarfile.TarInfo(name)
    first.size, second.type = len(text), kind
    second.size = len(content) if kind == tarfile.REGTYPE else 0
    second.linkname = "/etc/passwd"
    with (
        pa.CompressedOutputStream(str(file), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        tar.addfile(first, io.BytesIO(text))
        tar.addfile(second, io.BytesIO(content))


@pytest.mark.parametrize(
    "words",
    [
        *(
            {"name": one}
            for one in ("/tmp/x", "../x", "a/../../x", "a//b", ".lock", "a\\b", "a\nb")
        ),
        *({"name": "run.yaml", "run": one} for one in ("..", "a/b", "/a", "", ".hidden")),
        *(
            {"name": "run.yaml", "kind": one}
            for one in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
        ),
        {"name": "run.yaml", "kind": tarfile.DIRTYPE},
        {"name": "run.yaml", "listed": False},
        {"name": "run.yaml", "content": b"2"},
        {"name": "run.yaml", "content": b"1" * 5000},
        {"name": "other.txt"},
    ],
    ids=str,
)
def test_a_hostile_archive_leaves_nothing(tmp_path, words):
    hostile(tmp_path / "bad.tar.zst", **words)
    before = sorted(one.name for one in tmp_path.iterdir())
    with pytest.raises(DataError, match="not the whole archive"):
        unarchive(tmp_path / "bad.tar.zst", tmp_path / "other")
    assert nothing_in(tmp_path / "other")
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
    assert sorted(one.name for one in tmp_path.iterdir()) == before


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "text.tar.zst").write_text("no archive")
    with pytest.raises(DataError, match="not the whole archive"):
        unarchive(tmp_path / "text.tar.zst", tmp_path / "other")


def test_killed_while_unpacking_nothing_is_among_the_runs(packed, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unpacking, "commit", killed)
    monkeypatch.setattr(unpacking.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        unarchive(packed, tmp_path / "other")
    assert not (tmp_path / "other" / "runs").exists() or not any(
        (tmp_path / "other" / "runs").iterdir()
    )
    monkeypatch.undo()
    folder, _ = unarchive(packed, tmp_path / "other")
    hidden = [one.name for one in (tmp_path / "other").iterdir()]
    assert sorted(hidden) == [".unarchive.lock", "runs"]
    assert folder.is_dir()


def test_a_run_that_somebody_works_on_is_not_archived(stored, tmp_path):
    with stored.run.locked(), pytest.raises(PreflightError):
        archive(stored.run, tmp_path / "run.tar.zst")


def test_links_and_an_existing_file_are_refused(stored, packed):
    with pytest.raises(DataError, match="is there already"):
        archive(stored.run, packed)
    packed.unlink()
    (stored.run.path / "link").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        archive(stored.run, packed)
    assert not packed.exists()
