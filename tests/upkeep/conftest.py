"""A model that was asked three questions and judged, made in no time."""

import hashlib
import json

import pytest

from harness.evaluation.evaluate import evaluate
from harness.evaluation.held import Held, begun
from harness.evaluation.judged import write
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.judge import FreeJudge
from harness.evaluation.scorecards import IDENTITY, ITEMS, REPLIES, SCORECARD
from harness.files.jsonlines import JsonLines
from harness.registry import load_benchmark
from harness.runs.manifest import Manifest
from harness.runs.rundir import RunDir
from harness.settings.resolve import resolve

CHECKPOINT = "aaaabbbbccccdddd"
GRADES = ("0.5", "1.0", "0.2")


class Graded(FreeJudge):
    """Answers as the model of the benchmark would."""

    def name(self, annotator):
        return annotator.model

    def replies(self, question):
        return [GRADES[int(question.sample.id[-1])]]


class Stored:
    def __init__(self, folder):
        self.out, self.data = folder / "out", folder / "benchmarks"
        (self.data / "mm_vet").mkdir(parents=True)
        questions = {
            f"v1_{place}": {
                "question": f"What is it, {place}?",
                "imagename": f"{place}.png",
                "answer": "A cat",
                "capability": ["ocr", "rec"],
            }
            for place in range(3)
        }
        (self.data / "mm_vet" / "mm-vet.json").write_text(json.dumps(questions))
        (self.data / "mm_vet" / "judge_prompt.txt").write_text("Grade this.\n")
        self.run = RunDir(self.out / "runs" / f"model-mine-{CHECKPOINT[:12]}")
        self.answers, self.judged = self._judge(questions)
        self.name = self.run.path.name

    def _judge(self, questions):
        words = ("evaluation.benchmarks=[mm_vet]", "evaluation.judge=openai")
        spec = resolve("dpo", "tiny", None, [f"evaluation.data={self.data}", *words]).spec
        held = Held(self.run, CHECKPOINT, spec.model, spec.evaluation)
        answers, judged = held.responses("mm_vet"), held.judged("mm_vet")
        begun(answers.with_name(f"{answers.stem}.{IDENTITY}"), held.answers("mm_vet"))
        JsonLines(answers).append(*({"id": one, "response": "A cat sits."} for one in questions))
        Manifest.collect({"model": CHECKPOINT}, {}).write(self.run.manifest)
        begun(judged / IDENTITY, held.judgement("mm_vet"))
        benchmark = load_benchmark("mm_vet")
        self.annotators = Annotators(Graded(), {})
        data, replies = self.data / "mm_vet", judged / REPLIES
        write(evaluate(benchmark, data, answers, self.annotators, replies), judged, answers)
        return answers, judged

    def change(self, file, old, new):
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def drop(self, file, row):
        rows = file.read_text().splitlines(keepends=True)
        file.write_text("".join(one for place, one in enumerate(rows) if place != row))

    @property
    def card(self):
        return self.judged / SCORECARD

    @property
    def replies(self):
        return self.judged / REPLIES

    @property
    def items(self):
        return self.judged / ITEMS

    def bytes_of_all(self):
        files = sorted(one for one in self.out.rglob("*") if one.is_file())
        return {one: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return Stored(tmp_path)
