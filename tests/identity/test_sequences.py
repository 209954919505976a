"""Whatever is changed between calls: nothing stale is shown, and nothing is made twice."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import world_fixture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Lab

from harness.evaluation.held import is_finished, of_base, of_run
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

    def call(self) -> Run:
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
            devices=state["devices"],
        )
        if of_base(run).unjudged():
            evaluate_base(run, ChatSettings())
        if not is_finished(run):
            run_one(run, ChatSettings(), launcher=None)
        return run


@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=7))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_made_is_what_had_to_be_made(changes):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        story = Story(Path(folder), patch)
        for change in [None, *changes]:
            if change is not None:
                first, second = CHANGES[change]
                story.state[change] = second if story.state[change] == first else first
            run = story.call()
            (row,) = JsonLines(of_run(run).responses("mm_vet")).read()
            assert row["response"] == f"{story.of(TRAINING)} {story.of(ANSWERS)}", "stale answers"
            for held in (of_run(run), of_base(run)):
                total = held.scorecards()["mm_vet"].official["total"]
                assert total == 100.0 * story.state["judge"], "a stale judgement"
        assert len(set(story.trained)) == len(story.trained), "trained twice"
        assert len(set(story.answered)) == len(story.answered), "answered twice"
