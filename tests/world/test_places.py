"""Only parts of the tiny world are turned into paths."""

import pytest

from harness.errors import ConfigError
from harness.settings.resolve import resolve
from harness.world.places import locate, locate_data, locate_spec


@pytest.mark.parametrize("reference", ["llava-hf/llava-1.5-7b-hf", "/some/folder", "data/pairs"])
def test_other_places_stay_as_they_are_written(reference: str):
    assert locate(reference) == reference


def test_an_unknown_part_of_the_world_gets_the_nearest_one():
    with pytest.raises(ConfigError, match="Did you mean 'preferences'"):
        locate("world:preference")


def test_a_part_of_another_world_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "harness.world.build.ensure_world", lambda config: tmp_path / str(config.seed)
    )
    assert locate("world:clip") == str(tmp_path / "0" / "clip")
    assert locate("world:clip", world=3) == str(tmp_path / "3" / "clip")
    assert locate("world:2/clip", world=3) == str(tmp_path / "2" / "clip")
    spec = resolve("dama", "tiny", world=4).spec
    places = locate_spec(spec)
    assert places.model.path == str(tmp_path / "4" / "base")
    assert places.data.preferences == str(tmp_path / "4" / "preferences")
    assert places.evaluation.data == str(tmp_path / "4" / "benchmarks")
    assert places.data.hardness.clip == f"local-dir:{tmp_path / '4' / 'clip'}"
    mixed = spec.data.model_copy(update={"preferences": "world:preferences#10 + own.jsonl"})
    located = locate_data(mixed, world=4).preferences
    assert located == f"{tmp_path / '4' / 'preferences'}#pairs=10 + own.jsonl"
    with pytest.raises(ConfigError, match="Unknown part"):
        locate("world:x/clip")


def test_a_specification_without_the_world_is_located_as_it_is():
    spec = resolve("dama", "7b").spec
    assert locate_spec(spec) == spec
