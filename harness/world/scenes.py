"""Scenes on a 3x3 grid: which objects are where, in what colour, size and pose.

Objects come in groups that occur together, and each group has a usual companion: it is there in
most scenes of the group, which is what tempts a language model to mention it when it is not.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

GRID = 3
CELLS = GRID * GRID
POSITIONS = (
    "northwest",
    "north",
    "northeast",
    "west",
    "center",
    "east",
    "southwest",
    "south",
    "southeast",
)
"""Name of each cell. One word each: a model of this size binds a place to an image patch several
times sooner when the place is one token."""

GROUPS: dict[str, tuple[str, str, str, str]] = {
    "kitchen": ("bowl", "pizza", "fork", "cup"),
    "street": ("bus", "truck", "bicycle", "car"),
    "park": ("dog", "bench", "kite", "frisbee"),
    "farm": ("cow", "sheep", "bird", "horse"),
    "office": ("keyboard", "mouse", "book", "laptop"),
    "bedroom": ("clock", "vase", "cat", "bed"),
}
"""Place -> its objects, all COCO names; the last one is the usual companion of the others."""

OBJECTS: tuple[str, ...] = tuple(name for group in GROUPS.values() for name in group)
GROUP_OF: dict[str, str] = {name: place for place, group in GROUPS.items() for name in group}
COMPANION: dict[str, str] = {place: group[-1] for place, group in GROUPS.items()}
ANIMALS = frozenset({"dog", "cow", "sheep", "bird", "horse", "cat"})
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 50, 45),
    "green": (60, 190, 75),
    "blue": (60, 105, 245),
    "yellow": (245, 220, 50),
    "purple": (190, 70, 215),
    "white": (240, 240, 240),
}
SIZES = ("small", "large")
POSES = ("standing", "lying")


@dataclass(frozen=True)
class Thing:
    """One kind of object: one or two copies in one cell."""

    name: str
    count: int
    colour: str
    size: str
    pose: str
    cell: int
    """Row-major, 0 to 8."""


@dataclass(frozen=True)
class Sign:
    """A handwritten digit in a cell."""

    digit: int
    cell: int
    scan: int
    """Index into scikit-learn's digits."""


@dataclass(frozen=True)
class Scene:
    """What one image shows."""

    id: int
    place: str
    things: tuple[Thing, ...]
    """In reading order of their cells."""
    signs: tuple[Sign, ...]
    noise: int
    """Seed of the background noise."""

    @property
    def names(self) -> frozenset[str]:
        """Names of all objects in the scene."""
        return frozenset(thing.name for thing in self.things)

    @property
    def companion(self) -> str:
        """The object one expects in such a place."""
        return COMPANION[self.place]

    def thing(self, name: str) -> Thing | None:
        """Return the object of that name, if it is there."""
        return next((thing for thing in self.things if thing.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `scene_from_json` reads."""
        return asdict(self)


def scene_from_json(row: dict[str, Any]) -> Scene:
    """Read what `Scene.to_json` wrote."""
    things = tuple(Thing(**thing) for thing in row["things"])
    signs = tuple(Sign(**sign) for sign in row["signs"])
    return Scene(row["id"], row["place"], things, signs, row["noise"])


def draw_scene(
    number: int, rng: np.random.Generator, scans: dict[int, list[int]], companion_share: float
) -> Scene:
    """Draw one scene of 2 to 5 kinds of objects.

    Args:
        number: Identity of the scene.
        rng: Source of all chance in it.
        scans: Digit -> indices of the scans that this split may use.
        companion_share: How often the usual companion is there.
    """
    place = str(rng.choice(list(GROUPS)))
    names = _names(place, rng, companion_share)
    free = list(rng.permutation(CELLS))
    things = [_thing(name, free, rng) for name in names]
    signs = [
        Sign(digit, int(free.pop()), int(rng.choice(scans[digit])))
        for digit in rng.integers(0, 10, size=rng.choice([0, 1, 2], p=[0.5, 0.25, 0.25])).tolist()
        if free
    ]
    ordered = tuple(sorted(things, key=lambda thing: thing.cell))
    return Scene(number, place, ordered, tuple(signs), int(rng.integers(2**31)))


def _names(place: str, rng: np.random.Generator, companion_share: float) -> list[str]:
    """Two or three of the group, perhaps the companion, perhaps a stranger: 2 to 5 kinds."""
    usual = [str(name) for name in rng.permutation(GROUPS[place][:-1])]
    names = usual[: int(rng.choice([2, 3]))]
    if rng.random() < companion_share:
        names.append(COMPANION[place])
    if rng.random() < 0.35:
        names.append(str(rng.choice([name for name in OBJECTS if GROUP_OF[name] != place])))
    return names


def _thing(name: str, free: list[int], rng: np.random.Generator) -> Thing:
    count = 2 if rng.random() < 0.25 else 1
    size = str(rng.choice(SIZES)) if count == 1 else SIZES[0]
    pose = str(rng.choice(POSES)) if name in ANIMALS else POSES[0]
    return Thing(name, count, str(rng.choice(list(COLOURS))), size, pose, int(free.pop()))


def draw_scenes(
    first: int, count: int, seed: int, scans: dict[int, list[int]], companion_share: float
) -> list[Scene]:
    """Draw `count` scenes, each from its own seed, so that one more changes none of the others."""
    return [
        draw_scene(number, np.random.default_rng([seed, number]), scans, companion_share)
        for number in range(first, first + count)
    ]


def absent(scene: Scene, among: Iterable[str] = OBJECTS) -> list[str]:
    """List the objects that the scene lacks."""
    return [name for name in among if name not in scene.names]
