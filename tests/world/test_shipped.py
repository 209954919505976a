"""The worlds that come with the package: what is taken of them, and when."""

import json

import pytest

from harness.errors import DataError
from harness.files.digests import file_digest
from harness.world import build, shipped
from harness.world.build import digest, ensure_world, trained_digest
from harness.world.config import WorldConfig

WORLDS = (0, 1, 2)
LIMIT = 8_000_000
"""Bytes of all that is shipped."""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, a folder of shipped worlds, and builders that write one file."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    monkeypatch.setattr(build.os, "cpu_count", lambda: 1)

    def fake(name):
        def write(target, *_):
            target.mkdir()
            (target / "file").write_text(f"built {name}")

        return write

    monkeypatch.setattr(build, "_BUILDERS", {name: fake(name) for name in build._BUILDERS})
    ensure_world.cache_clear()
    yield tmp_path
    ensure_world.cache_clear()


def made(tmp_path, config):
    """Ship a world whose parts say so."""
    world = tmp_path / "elsewhere"
    for part in shipped.PARTS:
        (world / part).mkdir(parents=True)
        (world / part / "file").write_text(f"shipped {part}")
    return shipped.ship(world, config.seed, trained_digest(config), shipped.FOLDER)


def said(folder):
    return [(folder / name / "file").read_text() for name in ("base", "clip", "preferences")]


def test_shipped_parts_are_taken_and_the_rest_is_drawn(cache):
    config = WorldConfig(seed=1)
    made(cache, config)
    assert said(ensure_world(config)) == ["shipped base", "shipped clip", "built preferences"]


def test_another_world_and_one_built_anew_take_nothing(cache):
    config = WorldConfig(seed=1)
    made(cache, config)
    for folder in (ensure_world(WorldConfig(seed=2)), ensure_world(config, anew=True)):
        assert said(folder) == ["built base", "built clip", "built preferences"]
    assert digest(config) != digest(config, anew=True)


def test_parts_that_other_code_trained_are_not_taken(cache):
    config = WorldConfig(seed=1)
    stamp = made(cache, config) / shipped.SUMS
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"trained": "other"}))
    assert said(ensure_world(config))[0] == "built base"


def test_a_damaged_file_is_refused_and_leaves_nothing(cache):
    config = WorldConfig(seed=1)
    (made(cache, config) / "clip" / "file").write_text("cut")
    with pytest.raises(DataError, match="clip/file is not the file that was shipped"):
        ensure_world(config)
    folder = cache / "cache" / "worlds" / digest(config)
    assert sorted(part.name for part in folder.iterdir()) == [".lock", "base"]


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_shipped_is_of_this_code_and_whole(world):
    """Code that trains otherwise asks for `world build --ship`."""
    folder = shipped.FOLDER / str(world)
    sums = shipped.sums_of(world, trained_digest(WorldConfig(seed=world)))
    files = {
        file.relative_to(folder).as_posix(): file_digest(file)
        for file in folder.rglob("*")
        if file.is_file() and file.name != shipped.SUMS
    }
    assert files == sums
    assert {name.partition("/")[0] for name in files} == set(shipped.PARTS)


def test_all_that_is_shipped_is_small():
    assert sum(file.stat().st_size for file in shipped.FOLDER.rglob("*")) < LIMIT
