"""Small made data of the four benchmarks with a judge, and what a made judge says about them."""

import hashlib
import json
from dataclasses import dataclass

from benchmarks.types import Benchmark, Response, Sample, Token
from harness.evaluation.evaluate import evaluate
from harness.evaluation.judging.annotators import Annotators
from harness.evaluation.judging.judge import OpenAIJudge
from harness.registry import load_benchmark

SIZE = 8
RULE = {"role": "Assistant", "prompt": "Grade both."}


def _lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def _mmhal():
    row = {"image_src": "a.jpg", "image_content": ["Dog"], "question_type": "other"}
    rows = [row | {"question": f"How {i}?", "gt_answer": "So."} for i in range(SIZE)]
    prompt = "{} | {} | {} | {}"
    return {"mmhal-bench_answer_template.json": json.dumps(rows), "judge_prompt.txt": prompt}


def _llava_bench():
    kinds = ("conv", "detail", "complex")
    questions = [
        {"question_id": i, "image": "a.jpg", "category": kinds[i % 3], "text": f"What {i}?"}
        for i in range(SIZE)
    ]
    answers = [{"question_id": i, "text": f"That {i}."} for i in range(SIZE)]
    return {
        "questions.jsonl": _lines(questions),
        "context.jsonl": _lines([{"image": "a.jpg", "caption": "A room."}]),
        "answers_gpt4.jsonl": _lines(answers),
        "rule.json": json.dumps({f"llava_bench_{kind}": RULE for kind in kinds}),
    }


def _mm_vet():
    row = {"imagename": "a.jpg", "answer": "1<OR>2", "imagesource": ""}
    rows = {
        f"v1_{i}": row | {"question": f"Which {i}?", "capability": ["rec", "ocr"][: 1 + i % 2]}
        for i in range(SIZE)
    }
    return {"mm-vet.json": json.dumps(rows), "judge_prompt.txt": "Table"}


def _object_halbench():
    rows = [{"image_id": i, "question": "Describe it.", "image": ""} for i in range(SIZE)]
    instances = {
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"image_id": i, "category_id": 1} for i in range(SIZE)],
    }
    return {
        "obj_halbench_300_with_image.jsonl": _lines(rows),
        "synonyms_refine.txt": "dog, puppy\ncat, kitten\n",
        "judge_prompt.txt": "{question} {answer}",
        "annotations/instances_val2014.json": json.dumps(instances),
    }


FILES = {
    "mmhal": _mmhal,
    "llava_bench": _llava_bench,
    "mm_vet": _mm_vet,
    "object_halbench": _object_halbench,
}
REPLIES = {
    "mmhal": ["Rating: 0", "Rating: 4", "Rating: 6", "", "\x00\x1b[2Jjunk", "{}"],
    "llava_bench": ["8 7", "6 9", "7 7", "8, 7", "", "\x07\r\n{"],
    "mm_vet": ["0.5", "1.0", "0", "", "the \x1b[31m", "{"],
    "object_halbench": ['["dog"]', '["cat", "dog"]', "[]", "()", "[" * 100_000, '[\x00"'],
}


@dataclass(frozen=True)
class Case:
    """One benchmark with data and answers on disk."""

    benchmark: Benchmark
    folder: object

    def score(self, service, replies=None, runs=1):
        """Score the answers, a made tagger behind the judge."""
        judge = OpenAIJudge(service=service, runs=runs)
        annotators = Annotators(judge, {"en_core_web_trf": EveryWordIsANoun()})
        answers = self.folder / "answers.jsonl"
        return evaluate(self.benchmark, self.folder, answers, annotators, replies)

    def text(self, body, nth):
        """What the judge says: a function of the request and of how often it came before.

        The oftener, the likelier it can be read.
        """
        digest = hashlib.sha256(body + bytes([nth])).digest()
        replies = REPLIES[self.benchmark.name]
        return replies[digest[0] % (len(replies) if nth < 2 else 3)]


def _token(word):
    return Token(word, "DT" if word == "a" else "NN", word)


class EveryWordIsANoun:
    name = "every word"

    def tag(self, texts):
        return [[_token(word) for word in text.split()] for text in texts]


def write_case(name, folder):
    """Write data and answers of a benchmark."""
    for file, text in FILES[name]().items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    benchmark = load_benchmark(name)
    ids = [sample.id for sample in benchmark.read(FILES[name]())]
    rows = [{"id": each, "response": f"I see a dog and more, {each}"} for each in ids]
    (folder / "answers.jsonl").write_text(_lines(rows))
    return Case(benchmark, folder)


def pairs_of(case):
    """Samples with their answers."""
    samples: list[Sample] = list(case.benchmark.read(FILES[case.benchmark.name]()))
    return [(s, Response(s.id, f"I see a dog and more, {s.id}")) for s in samples]
