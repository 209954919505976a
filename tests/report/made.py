"""An output folder that is made in no time: a base model, two methods, two benchmarks."""

import json
from dataclasses import asdict

from PIL import Image

from benchmarks.types import Scorecard
from harness.evaluation.guard.records import Ability, Guarded, record_path, write_record
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD
from harness.files.jsonlines import JsonLines
from harness.identity.record import Record
from harness.margins.records import (
    Lengths,
    Margins,
    PairMargins,
    Sides,
    Source,
    write_margins,
)
from harness.registry import load_benchmark
from harness.runs.rundir import RunDir, run_name
from harness.settings.resolve import resolve
from harness.upstream.reading import read_data

BASE = "aaaabbbbccccdddd"
VISIBLE = "A cat sits."


def mm_vet_rows(grade, answer=VISIBLE, count=3):
    return [
        {
            "id": f"v1_{place}",
            "question": f"What is it, {place}?",
            "category": "ocr_rec",
            "response": answer,
            "replies": [str(grade)],
            "score": {"runs": [grade], "capabilities": ["ocr", "rec"]},
        }
        for place in range(count)
    ]


def halbench_rows(*hallucinated, answer="Two dogs and a red cup."):
    score = {
        "words": ["dog", "cup"],
        "hallucinated": list(hallucinated),
        "found": [],
        "present": [],
    }
    row = {"id": 7, "question": "Describe it.", "response": answer, "replies": [], "score": score}
    return [row]


def guard(folder, value, checkpoint="0", data="d"):
    """Write what a task of the guard found of the model of a folder."""
    identity = {"checkpoint": checkpoint, "data": data, "lmms_eval": "0.7", "version": "1"}
    record = Guarded("mme", identity, {"accuracy": Ability(value, True, 0.01)}, 218)
    write_record(record_path(folder.path, f"mme-{data}"), record)


class Made:
    def __init__(self, folder, questions=3):
        self.out, self.data = folder / "out", folder / "benchmarks"
        pictures = self.data / "mm_vet" / "images"
        pictures.mkdir(parents=True)
        for place in range(questions):
            Image.new("RGB", (300, 200), (place % 256, 0, 0)).save(pictures / f"{place}.png")
        rows = {
            f"v1_{place}": {
                "question": f"What is it, {place}?",
                "imagename": f"{place}.png",
                "answer": "A cat",
                "capability": ["ocr", "rec"],
            }
            for place in range(questions)
        }
        (self.data / "mm_vet" / "mm-vet.json").write_text(json.dumps(rows))
        (self.data / "mm_vet" / "judge_prompt.txt").write_text("Grade this.\n")
        self.version = read_data(load_benchmark("mm_vet"), self.data / "mm_vet")[1]

    def base(self, **words):
        folder = RunDir(self.out / "runs" / f"base-tiny-{BASE[:12]}")
        return self.judge(folder, BASE, **words)

    def run(self, method="dpo", seed=0, loss=0.7, **words):
        spec = resolve(method, "tiny", None, [f"evaluation.data={self.data}"], seed=seed).spec
        identity = {
            "method": {"name": method, "source": "0"},
            "seed": seed,
            "model": {"content": BASE},
            "data": {"content": "0"},
        }
        folder = RunDir(self.out / "runs" / run_name(spec, f"{seed:012d}"))
        folder.open(spec)
        Record.now(identity, method).write(folder.identity)
        rows = ({"step": step, "loss": loss / step, "reward_gap": step} for step in range(1, 301))
        JsonLines(folder.metrics).append(*rows)
        return self.judge(folder, f"{method}{seed}", **words)

    def margins(self, folder, growth=1.0, count=10, kind="plain", clip_gap=1.0):
        """Write margins of pairs: one nat each before training, `growth` more after it."""
        pairs = tuple(
            PairMargins(
                place,
                f"{place}",
                Sides(-1.0, -2.0),
                Sides(-1.0 + growth, -2.0),
                Lengths(3, 4),
                None if clip_gap is None else place * clip_gap,
                {"hardness": kind, "mislabelled": "no"} if kind else {},
            )
            for place in range(count)
        )
        write_margins(folder.margins, Margins(Source("c", BASE, "0"), 2000, {}, pairs))

    def judge(
        self, folder, checkpoint, grade=0.5, rows=None, hallucinated=("cup",), judge="openai"
    ):
        mm_vet = mm_vet_rows(grade) if rows is None else rows
        official = {"total": grade * 100, "ocr": grade * 90, "rec": grade * 80}
        self._write(folder, checkpoint, "mm_vet", mm_vet, official, judge)
        hal = {"response_hallucination": 100.0 * bool(hallucinated), "mention_hallucination": 25.0}
        self._write(
            folder, checkpoint, "object_halbench", halbench_rows(*hallucinated), hal, "oracle"
        )
        return folder

    def _write(self, folder, checkpoint, name, rows, official, judge):
        version = self.version if name == "mm_vet" else "sha256:0"
        place = folder.judgements / f"{name}-0123456789ab"
        identity = {
            "answers": {"checkpoint": checkpoint, "benchmark": name},
            "data": version,
            "judge": {"kind": judge},
        }
        Record.now(identity).write(place / IDENTITY)
        JsonLines(place / ITEMS).append(*rows)
        replies = ({"id": row["id"], "key": "0", "replies": row["replies"]} for row in rows)
        JsonLines(place / REPLIES).append(*replies)
        counts = {"samples": len(rows), "scored": len(rows), "unscored": 0, "empty": 0}
        card = Scorecard(name, "official", judge, version, official, official, counts)
        (place / SCORECARD).write_text(json.dumps(asdict(card)))
