"""Calls of `reproduce` in which training and answering take no time, and are counted."""

import json
import shutil
from pathlib import Path

import pytest
import world_fixture
from lab import Lab

from harness.evaluation.held import is_finished, of_base
from harness.files.jsonlines import JsonLines
from harness.identity.run import Run
from harness.llm.messages import ChatSettings
from harness.reproduce.one_run import evaluate_base, run_one

CHANGES = {
    "pairs": (0, 1),
    "model": (0, 1),
    "code": (0, 1),
    "beta": (0.1, 0.2),
    "judge": (0, 1),
    "tokens": (5, 7),
    "question": (0, 1),
    "devices": (1, 2),
    "batch": (1, 8),
    "place": (0, 1),
    "cache": (0, 1),
}
TRAINING = ("pairs", "model", "code", "beta")
ANSWERS = ("tokens", "question")


class Story:
    """Calls of `reproduce` in which training and answering take no time, and are counted."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.state = {name: values[0] for name, values in CHANGES.items()}
        self.lab = Lab(folder / "one")
        shutil.copytree(self.lab.folder, folder / "two")
        self.trained, self.answered = [], []
        patch.setattr("harness.training.launch.train", self.train)
        patch.setattr("harness.evaluation.generation.launch.generate", self.generate)
        patch.setattr(
            "harness.identity.training.source_digest", lambda module: f"code {self.state['code']}"
        )

    def train(self, run, spec, launcher, chat):
        self.trained.append(self.of(TRAINING))
        shutil.copytree(spec.model.path, run.model)
        (run.model / "made_by.txt").write_text(self.of(TRAINING))

    def generate(self, model, spec, model_spec, data, out, log, *, processes, files):
        made = Path(model) / "made_by.txt"
        who = made.read_text() if made.exists() else f"base {self.state['model']}"
        for name in files.values():
            if not (out / f"{name}.jsonl").exists():
                said = f"{who} {self.of(ANSWERS)}"
                self.answered.append(said)
                JsonLines(out / f"{name}.jsonl").append({"id": "v1_0", "response": said})

    def of(self, names):
        return json.dumps([self.state[name] for name in names])

    def call(self, *overrides: str) -> Run:
        state = self.state
        where = self.folder / ("one", "two")[state["place"]]
        lab = self.lab
        lab.model, lab.pairs = where / "model", where / "pairs.parquet"
        lab.data, lab.replies = where / "benchmarks", where / "replies.jsonl"
        rows = world_fixture.rows(8 + state["pairs"])
        world_fixture.write_rows(lab.pairs, rows)
        (lab.model / "extra.json").write_text(f"[{state['model']}]")
        lab.replies.write_text(json.dumps({"id": "v1_0", "replies": [f"{state['judge']}.0"]}))
        asked = {"question": f"What? {state['question']}", "imagename": "0.png", "answer": "A"}
        (lab.data / "mm_vet" / "mm-vet.json").write_text(
            json.dumps({"v1_0": {**asked, "capability": ["rec"]}})
        )
        self.patch.setenv("HARNESS_CACHE", str(self.folder / f"cache-{state['cache']}"))
        run = lab.run(
            f"method.beta={state['beta']}",
            f"evaluation.max_new_tokens={state['tokens']}",
            f"evaluation.batch_size={state['batch']}",
            *overrides,
            devices=state["devices"],
        )
        if not of_base(run).is_finished:
            evaluate_base(run, ChatSettings())
        if not is_finished(run):
            run_one(run, ChatSettings(), launcher=None)
        return run
