"""A small model, eight pairs and one question, and runs on them that are made in no time."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import world_fixture
from PIL import Image

from benchmarks.types import Scorecard
from harness.evaluation.held import of_base, of_run
from harness.evaluation.scorecards import IDENTITY, SCORECARD
from harness.files.atomic import write_text
from harness.identity.record import Record
from harness.identity.run import Run
from harness.settings.resolve import resolve

COUNTS = {"samples": 1, "scored": 1, "unscored": 0, "empty": 0}


class Lab:
    """Inputs that can be changed, and runs on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.model = world_fixture.write_base(folder / "model")
        self.pairs = world_fixture.write_rows(folder / "pairs.parquet", world_fixture.rows(8))
        self.data = folder / "benchmarks"
        question = {"question": "What?", "imagename": "0.png", "answer": "A cat"}
        (self.data / "mm_vet").mkdir(parents=True)
        (self.data / "mm_vet" / "images").mkdir()
        Image.new("RGB", (8, 8)).save(self.data / "mm_vet" / "images" / "0.png")
        (self.data / "mm_vet" / "mm-vet.json").write_text(
            json.dumps({"v1_0": {**question, "capability": ["rec"]}})
        )
        self.replies = folder / "replies.jsonl"
        self.replies.write_text('{"id": "v1_0", "replies": ["0.5"]}\n')

    def spec(self, *overrides, method="dpo", variant=None, seed=0, devices=None):
        own = (
            f"model.path={self.model}",
            f"data.preferences={self.pairs}",
            f"evaluation.data={self.data}",
            "evaluation.benchmarks=[mm_vet]",
            f"evaluation.judge=replay:{self.replies}",
            "data.hardness.clip=local-dir:none",
        )
        return resolve(method, "tiny", variant, (*own, *overrides), seed=seed, devices=devices).spec

    def run(self, *overrides, **words):
        return Run.of(self.spec(*overrides, **words), self.out)

    def finish(self, run, score):
        """Give a run its model, and run and base their scorecards."""
        folder = run.begin()
        if not folder.model.exists():
            shutil.copytree(self.model, folder.model)
            (folder.model / "trained.txt").write_text(json.dumps(dict(run.identity)))
        for held, total in ((of_run(run), score), (of_base(run), 1.0)):
            self.judge(held, total)
        return run

    def judge(self, held, total):
        judged = held.judged("mm_vet")
        if (judged / SCORECARD).exists():
            return
        Record.now(held.judgement("mm_vet")).write(judged / IDENTITY)
        numbers = {"total": total}
        card = Scorecard("mm_vet", "official", "a judge", "sha256:0", numbers, numbers, COUNTS)
        write_text(judged / SCORECARD, json.dumps(asdict(card)))
