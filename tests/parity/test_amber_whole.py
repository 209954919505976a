"""All 15,220 questions of AMBER in one process: right, soon, and without torch."""

import json
import subprocess
import sys
import time

from score_cases import amber_files, case

LIMIT_S = 30
WORDS = {
    "associated": {"cat": ["kitten"]},
    "objects": ["cat", "kitten", "dog", "sky"],
    "safe": ["sky"],
}
KINDS = (
    ("discriminative-hallucination", 4924, 0),
    ("discriminative-attribute-state", 4764, 2382),
    ("discriminative-attribute-number", 2072, 1036),
    ("discriminative-attribute-action", 792, 396),
    ("discriminative-relation", 975, 975),
    ("relation", 689, 0),
)
"""Type, questions, of them with the answer yes; as in AMBER's annotations."""
PROGRAM = """
import sys
from harness.__main__ import main
try:
    main()
finally:
    sys.stderr.write(f"torch: {'torch' in sys.modules}")
"""


def rows():
    for number in range(1, 1005):
        yield {"id": number, "type": "generative", "truth": ["cat", "sky"], "hallu": ["dog"]}
    number = 1005
    for kind, count, yes in KINDS:
        for place in range(count):
            yield {"id": number, "type": kind, "truth": "yes" if place < yes else "no"}
            number += 1


def test_a_whole_run_takes_less_than_half_a_minute_and_no_torch(tmp_path):
    """Every description names a kitten and, if its id is even, a dog; every answer is "No".

    CHAIR 502 / (1506 + e) = 33.3; Cover 1004 / (2008 + e) = 50.0; Hal 50.0; Cog 50.0.
    Accuracy 9427 no of 14216 = 66.3 = precision; recall 100.0; F1 from these two:
    2 * .663 / (1.663 + 0.0001) = 79.7. Existence: 100.0 each, F1 2 / 2.001 = 99.95 -> 100.0.
    """
    made = list(rows())
    answers = {r["id"]: "text" if r["type"] == "generative" else "No" for r in made}
    replies = {}
    for row in made[:1004]:
        nouns = ["kitten"] + ["dog"] * (row["id"] % 2 == 0)
        replies[row["id"]] = {"replies": [json.dumps([[[n, "NN", n] for n in nouns]])]}
    files = amber_files(made, WORDS)
    run = case(tmp_path, "amber", files, answers, replies)
    command = [sys.executable, "-c", PROGRAM, "score", *run.arguments, "--json"]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert time.monotonic() - start < LIMIT_S
    assert done.stderr.endswith("torch: False")
    card = json.loads(done.stdout)
    assert card["counts"] == {"samples": 15_220, "scored": 15_220, "unscored": 0, "empty": 0}
    numbers = [card["official"][name] for name in ("chair", "cover", "hal", "cog")]
    assert numbers == [33.3, 50.0, 50.0, 50.0]
    names = ("accuracy", "precision", "recall", "f1")
    assert [card["official"][name] for name in names] == [66.3, 66.3, 100.0, 79.7]
    assert [card["official"][f"existence/{name}"] for name in names] == [100.0] * 4
