"""Turn the symbolic places of a specification into real ones.

`world:<part>` is a part of the tiny world, which is built when it is not there; everything else
(a local path, a name on the hub) stays as it is written.
"""

from collections.abc import Iterable

from harness.errors import ConfigError
from harness.registry import hint
from harness.settings.spec import DataSpec, RunSpec

WORLD = "world:"
PARTS = ("base", "clip", "preferences", "benchmarks")


def in_world(reference: str) -> bool:
    """Say whether a reference names a part of the tiny world."""
    return reference.startswith(WORLD)


def locate(reference: str) -> str:
    """Return the path of a part of the tiny world, or any other reference unchanged."""
    if not in_world(reference):
        return reference
    part = reference.removeprefix(WORLD)
    if part not in PARTS:
        raise ConfigError(f"Unknown part of the tiny world {reference!r}. {hint(part, PARTS)}")
    from harness.world.build import ensure_world

    return str(ensure_world() / part)


def are_built(specs: Iterable[RunSpec]) -> bool:
    """Say whether everything that specifications name of the tiny world is there already."""
    from harness.world.build import world_is_built

    return world_is_built() or not any(map(_uses_world, specs))


def _uses_world(spec: RunSpec) -> bool:
    places = (spec.model.path, spec.data.preferences, spec.data.hardness.clip, spec.evaluation.data)
    return any(map(in_world, places))


def locate_data(data: DataSpec) -> DataSpec:
    """Return the specification of pairs with every place located."""
    clip = data.hardness.clip
    if in_world(clip):
        clip = f"local-dir:{locate(clip)}"  # how open_clip is told to read a folder
    hardness = data.hardness.model_copy(update={"clip": clip})
    return data.model_copy(update={"preferences": locate(data.preferences), "hardness": hardness})


def locate_spec(spec: RunSpec) -> RunSpec:
    """Return the specification with every place located."""
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"path": locate(spec.model.path)}),
            "data": locate_data(spec.data),
            "evaluation": spec.evaluation.model_copy(update={"data": locate(spec.evaluation.data)}),
        }
    )
