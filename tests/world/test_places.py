"""Only parts of the tiny world are turned into paths."""

import pytest

from harness.errors import ConfigError
from harness.settings.resolve import resolve
from harness.world.places import locate, locate_spec


@pytest.mark.parametrize("reference", ["llava-hf/llava-1.5-7b-hf", "/some/folder", "data/pairs"])
def test_other_places_stay_as_they_are_written(reference: str):
    assert locate(reference) == reference


def test_an_unknown_part_of_the_world_gets_the_nearest_one():
    with pytest.raises(ConfigError, match="Did you mean 'preferences'"):
        locate("world:preference")


def test_a_specification_without_the_world_is_located_as_it_is():
    spec = resolve("dama", "7b").spec
    assert locate_spec(spec) == spec
