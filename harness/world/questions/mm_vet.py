"""MM-Vet of the tiny world: questions that need exactly one of 16 sets of capabilities.

Signs are read (ocr) and added up (math), objects are recognised (rec) and located (spat), sounds,
uses and places are known (know), descriptions and reasons are written (gen). Two are only near:
the question that needs nothing but `rec` and `know` tells the object by its place, and the one
that needs `ocr`, `spat` and `gen` asks for a description.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from harness.world.asked import Asked
from harness.world.language import (
    adversarial,
    arithmetic,
    attribute,
    comparison,
    counting,
    environment,
    knowledge,
    ocr,
    reasoning,
    relation,
    whereabouts,
)
from harness.world.questions.asking import (
    Kind,
    ask_caption,
    ask_first,
    png,
    shuffled,
    write_image,
    write_json,
)
from harness.world.scenes import Scene

SETS: dict[tuple[str, ...], tuple[int, tuple[tuple[Kind, ...], ...]]] = {
    ("rec", "know", "gen"): (62, ((reasoning,),)),
    ("rec",): (
        37,
        ((attribute,), (counting,), (comparison,), (environment,), (adversarial,)),
    ),
    ("ocr", "spat"): (26, ((ocr,),)),
    ("ocr", "spat", "math"): (14, ((ocr, arithmetic),)),
    ("rec", "spat"): (12, ((whereabouts,), (relation,))),
    ("ocr",): (12, ((ocr,),)),
    ("ocr", "math"): (11, ((arithmetic,),)),
    ("rec", "know"): (9, ((knowledge,),)),
    ("rec", "ocr", "know", "gen"): (8, ((reasoning, ocr),)),
    ("rec", "ocr", "spat", "gen"): (8, ((ask_caption, ocr),)),
    ("rec", "ocr", "spat"): (7, ((whereabouts, ocr),)),
    ("rec", "ocr"): (4, ((attribute, ocr),)),
    ("ocr", "spat", "know"): (3, ((ocr, knowledge),)),
    ("rec", "spat", "know"): (2, ((knowledge,),)),
    ("ocr", "spat", "gen"): (2, ((ocr, ask_caption),)),
    ("rec", "ocr", "spat", "math"): (1, ((whereabouts, arithmetic),)),
}
"""Capabilities -> how many questions, and the kinds that take turns. Source of the counts:
arXiv:2308.02490 and the results printed in MM-Vet's notebook."""
PROMPT = """\
Compare the ground truth with the prediction and write how correct the prediction is, from 0.0
(nothing is right) to 1.0 (all is right), in steps of 0.1. <AND> in the ground truth joins parts
that are all needed, <OR> joins parts of which one is enough. Fill in the last row of the table.

Question | Ground truth | Prediction | Correctness
--- | --- | --- | ---
What color is the dog? | The dog is red. | The dog is red. | 1.0
What color is the dog? | The dog is red. | The dog is green. | 0.0
What is the sum of the two signs? | The sum is 7. <OR> 7 | 7 | 1.0
What do you know about the animal? | It is a cow. <AND> A cow moos. | It is a cow. | 0.5"""


def write(folder: Path, scenes: Sequence[Scene], rng: np.random.Generator) -> list[Asked]:
    """Write 218 questions, one picture each."""
    plan = [
        (capabilities, kinds)
        for capabilities, (count, in_turn) in SETS.items()
        for kinds in islice(cycle(in_turn), count)
    ]
    pool = shuffled(scenes, rng)
    rows, asked = {}, []
    for number, index in enumerate(rng.permutation(len(plan)).tolist()):
        capabilities, kinds = plan[index]
        scene, questions = ask_first(kinds, pool, rng)
        # The scene goes to the end of the queue: all take part before one comes twice.
        pool.remove(scene)
        pool.append(scene)
        name = f"v1_{number}"
        asked.append(Asked("mm_vet", name, scene, questions))
        write_image(folder / "images" / f"{name}.png", png(scene))
        rows[name] = {
            "imagename": f"{name}.png",
            "question": asked[-1].text,
            "answer": ground_truth(asked[-1]),
            "imagesource": "tiny world",
            "capability": list(capabilities),
        }
    write_json(folder / "mm-vet.json", rows)
    (folder / "judge_prompt.txt").write_text(PROMPT, "utf-8")
    return asked


def ground_truth(asked: Asked) -> str:
    """Join the sentences of the answer by <AND>; a lone number may stand without its sentence."""
    sentences = asked.answer.replace(". ", ".<AND>")
    if len(asked.questions) == 1 and asked.questions[0].kind in ("ocr", "arithmetic"):
        return f"{sentences}<OR>{sentences.split()[-1].rstrip('.')}"
    return sentences
