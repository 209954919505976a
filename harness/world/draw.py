"""Draw a scene: coloured glyphs and handwritten digits on a noisy 72x72 background."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from harness.world.scenes import COLOURS, GRID, OBJECTS, POSES, Scene, Thing

CELL = 24
SIDE = GRID * CELL
GLYPH = 5
BACKGROUND = 36
MIN_DISTANCE = 5
SCALE = {"small": 2, "large": 4}
GAP = 2


@cache
def glyphs() -> dict[str, NDArray[np.bool_]]:
    """Return one 5x5 pattern per object.

    Patterns mirror left to right, and differ from each other, and from each other upside down
    (the pose 'lying'), in at least `MIN_DISTANCE` points.
    """
    rng = np.random.default_rng(7)
    chosen: list[NDArray[np.bool_]] = []
    while len(chosen) < len(OBJECTS):
        half = rng.random((GLYPH, (GLYPH + 1) // 2)) < 0.55
        pattern = np.concatenate([half, half[:, -2::-1]], axis=1)
        others = [*chosen, *(other[::-1] for other in chosen), pattern[::-1]]
        if all(np.count_nonzero(pattern != other) >= MIN_DISTANCE for other in others):
            chosen.append(pattern)
    return dict(zip(OBJECTS, chosen, strict=True))


@cache
def digit_scans() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return scikit-learn's handwritten digits: images [scans, 8, 8] from 0 to 1, and labels."""
    digits = load_digits()
    return digits.images / 16.0, digits.target


def split_scans(held_out_share: float) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Split the scans into those of training scenes and those of held-out scenes, by digit."""
    labels = digit_scans()[1]
    train: dict[int, list[int]] = {}
    held_out: dict[int, list[int]] = {}
    for digit in range(10):
        scans = np.flatnonzero(labels == digit).tolist()
        cut = round(len(scans) * (1 - held_out_share))
        train[digit], held_out[digit] = scans[:cut], scans[cut:]
    return train, held_out


def draw(scene: Scene) -> Image.Image:
    """Return the scene as a 72x72 RGB image."""
    rng = np.random.default_rng(scene.noise)
    canvas = BACKGROUND + rng.normal(0, 6, (SIDE, SIDE, 3))
    for thing in scene.things:
        mask = _mask(thing)
        _patch(canvas, thing.cell, mask)[mask] = COLOURS[thing.colour]
    for sign in scene.signs:
        ink = np.kron(digit_scans()[0][sign.scan], np.ones((2, 2)))
        patch = _patch(canvas, sign.cell, ink)
        patch[:] = 255 - ink[..., None] * 255
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _mask(thing: Thing) -> NDArray[np.bool_]:
    """Return which pixels the object covers; two copies stand side by side."""
    pattern = glyphs()[thing.name]
    upright = pattern[::-1] if thing.pose == POSES[1] else pattern
    one = np.kron(upright, np.ones((SCALE[thing.size],) * 2, dtype=bool))
    if thing.count == 1:
        return one
    return np.concatenate([one, np.zeros((len(one), GAP), dtype=bool), one], axis=1)


def _patch(
    canvas: NDArray[np.float64], cell: int, mask: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return the view of `canvas` that centres `mask` in a cell."""
    row, column = divmod(cell, GRID)
    top = row * CELL + (CELL - mask.shape[0]) // 2
    left = column * CELL + (CELL - mask.shape[1]) // 2
    return canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
