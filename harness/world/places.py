"""Turn the symbolic places of a specification into real ones.

`world:<part>` is a part of the tiny world, which is built when it is not there; everything else
(a local path, a name on the hub) stays as it is written.
"""

from harness.errors import ConfigError
from harness.registry import hint
from harness.settings.spec import RunSpec

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


def locate_spec(spec: RunSpec) -> RunSpec:
    """Return the specification with every place located."""
    hardness, data = spec.data.hardness, spec.data
    clip = locate(hardness.clip)
    if in_world(hardness.clip):
        clip = f"local-dir:{clip}"  # how open_clip is told to read a folder
    return spec.model_copy(
        update={
            "model": spec.model.model_copy(update={"path": locate(spec.model.path)}),
            "data": data.model_copy(
                update={
                    "preferences": locate(data.preferences),
                    "hardness": hardness.model_copy(update={"clip": clip}),
                }
            ),
            "evaluation": spec.evaluation.model_copy(update={"data": locate(spec.evaluation.data)}),
        }
    )
