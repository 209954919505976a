"""Object HalBench of the tiny world: descriptions, checked against COCO annotations."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.world.asked import Asked
from harness.world.draw import CELL, GAP, GLYPH, SCALE, SIDE
from harness.world.language import PLURALS, a, caption, listing
from harness.world.questions.asking import ask_caption, png, write_json, write_lines
from harness.world.scenes import GRID, GROUP_OF, OBJECTS, Scene, Thing

SPLITS = ("train2014", "val2014")
CATEGORIES = {name: number for number, name in enumerate(OBJECTS, start=1)}
PROMPT = """\
Below are a question about an image and somebody's answer to it. List every object that the answer
says can be seen in the image.

Rules:
1. Write one JSON list of strings and nothing else, for instance ["dog", "benches"].
2. Write nouns only: leave out colours, numbers, sizes and places.
3. List each object once, in the order of the answer.
4. If the answer names no object, write [].

Question: {question}
Answer: {answer}
Objects:"""


def write(folder: Path, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Asked]:
    """Write one question per scene; even scenes are annotated in train2014, odd in val2014."""
    asked = [
        Asked("object_halbench", scene.id, scene, (ask_caption(scene, rng),)) for scene in scenes
    ]
    rows = (
        {
            "org_idx": index,
            "image_id": one.scene.id,
            "question": one.text,
            "image": base64.b64encode(png(one.scene)).decode(),
        }
        for index, one in enumerate(asked)
    )
    write_lines(folder / "obj_halbench_300_with_image.jsonl", rows)
    for part, split in enumerate(SPLITS):
        _write_annotations(folder / "annotations", split, scenes[part :: len(SPLITS)])
    synonyms = (", ".join(dict.fromkeys((name, PLURALS[name]))) + "\n" for name in OBJECTS)
    (folder / "synonyms_refine.txt").write_text("".join(synonyms), "utf-8")
    (folder / "judge_prompt.txt").write_text(PROMPT, "utf-8")
    return asked


def _write_annotations(folder: Path, split: str, scenes: Sequence[Scene]) -> None:
    images = [
        {
            "id": scene.id,
            "file_name": f"COCO_{split}_{scene.id:012d}.jpg",
            "height": SIDE,
            "width": SIDE,
        }
        for scene in scenes
    ]
    instances = [row for scene in scenes for row in _instances(scene)]
    captions = [
        {"image_id": scene.id, "caption": text} for scene in scenes for text in _captions(scene)
    ]
    categories = [
        {"supercategory": GROUP_OF[name], "id": number, "name": name}
        for name, number in CATEGORIES.items()
    ]
    for name, rows in (("instances", instances), ("captions", captions)):
        annotations = [row | {"id": number} for number, row in enumerate(rows, start=1)]
        content = {"images": images, "annotations": annotations}
        extra = {"categories": categories} if name == "instances" else {}
        write_json(folder / f"{name}_{split}.json", content | extra)


def _instances(scene: Scene) -> Iterator[dict[str, Any]]:
    """Annotate every copy of every object with its box in pixels: left, top, width, height."""
    for thing in scene.things:
        side = GLYPH * SCALE[thing.size]
        for left, top in _corners(thing, side):
            right, bottom = left + side, top + side
            yield {
                "image_id": scene.id,
                "category_id": CATEGORIES[thing.name],
                "bbox": [left, top, side, side],
                "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                "area": side * side,
                "iscrowd": 0,
            }


def _corners(thing: Thing, side: int) -> Iterator[tuple[int, int]]:
    """Return left and top of each copy, centred in the cell as they are drawn."""
    row, column = divmod(thing.cell, GRID)
    width = side * thing.count + GAP * (thing.count - 1)
    for copy in range(thing.count):
        left = column * CELL + (CELL - width) // 2 + copy * (side + GAP)
        yield left, row * CELL + (CELL - side) // 2


def _captions(scene: Scene) -> list[str]:
    """Return one true caption, for every other pair of scenes a second one."""
    captions = [caption(scene, None)]
    if scene.id % 4 < 2:
        names = [thing.name for thing in scene.things]
        captions.append(f"This is {a(scene.place)} with {listing(names)}.")
    return captions
