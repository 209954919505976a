"""Turn the symbolic places of a specification into real ones.

`world:<part>` is a part of a tiny world, which is made when it is not there: of the run's world, or
of world 2 as `world:2/<part>`. Everything else (a local path, a name on the hub) stays as it is
written.
"""

from collections.abc import Iterable

from harness.errors import ConfigError
from harness.registry import hint
from harness.settings.mixing import PLUS, places_of, sources_of
from harness.settings.places import WORLD, in_world, uses_world
from harness.settings.spec import DataSpec, RunSpec
from harness.world.config import WorldConfig

PARTS = ("base", "clip", "preferences", "benchmarks")


def locate(reference: str, world: int = 0) -> str:
    """Return the path of a part of a tiny world, or any other reference unchanged.

    Args:
        reference: A place.
        world: The world that is meant where the reference does not name one.

    Raises:
        ConfigError: There is no such part.
    """
    if not in_world(reference):
        return reference
    part = reference.removeprefix(WORLD)
    number, slash, rest = part.partition("/")
    if slash and number.isascii() and number.isdigit():
        world, part = int(number), rest
    if part not in PARTS:
        raise ConfigError(f"Unknown part of the tiny world {reference!r}. {hint(part, PARTS)}")
    from harness.world.build import ensure_world

    return str(ensure_world(WorldConfig(seed=world)) / part)


def are_built(specs: Iterable[RunSpec]) -> bool:
    """Say whether everything that specifications name of the tiny world is there already."""
    from harness.world.build import world_is_built

    worlds = {spec.world for spec in specs if uses_world(spec)}
    return all(world_is_built(WorldConfig(seed=world)) for world in worlds)


def locate_data(data: DataSpec, world: int = 0) -> DataSpec:
    """Return the specification of pairs with every place located."""
    clip = data.hardness.clip
    if in_world(clip):
        clip = f"local-dir:{locate(clip, world)}"  # how open_clip is told to read a folder
    hardness = data.hardness.model_copy(update={"clip": clip})
    return data.model_copy(
        update={"preferences": _located(data.preferences, world), "hardness": hardness}
    )


def _located(preferences: str, world: int) -> str:
    """Return the text of one source or several with every place located."""
    if not any(map(in_world, places_of(preferences))):
        return preferences
    sources = (
        source.model_copy(update={"place": locate(source.place, world)})
        for source in sources_of(preferences)
    )
    return PLUS.join(map(str, sources))


def locate_spec(spec: RunSpec) -> RunSpec:
    """Return the specification with every place located."""
    model = {"path": locate(spec.model.path, spec.world)}
    evaluation = {"data": locate(spec.evaluation.data, spec.world)}
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update=model),
            "data": locate_data(spec.data, spec.world),
            "evaluation": spec.evaluation.model_copy(update=evaluation),
        }
    )
