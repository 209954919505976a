"""Symbolic places of a specification: `world:<part>` is a part of a tiny world."""

from harness.settings.mixing import places_of
from harness.settings.spec import RunSpec

WORLD = "world:"


def in_world(reference: str) -> bool:
    """Say whether a reference names a part of a tiny world."""
    return reference.startswith(WORLD)


def uses_world(spec: RunSpec) -> bool:
    """Say whether a specification names a part of a tiny world."""
    places = (spec.model.path, spec.data.hardness.clip, spec.evaluation.data)
    return any(map(in_world, (*places, *places_of(spec.data.preferences))))
