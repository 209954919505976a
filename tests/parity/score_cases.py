"""Recorded runs as files on disk: what `score` reads, and what the published scripts printed."""

import json
from dataclasses import dataclass
from pathlib import Path

from recorded import recorded

from benchmarks.object_halbench import phrases
from benchmarks.types import Response

ERROR = {"error": "rate_limit"}


@dataclass(frozen=True)
class Case:
    """Arguments of `score`."""

    benchmark: str
    data: Path
    responses: Path
    replies: Path

    @property
    def arguments(self):
        judge = f"replay:{self.replies}"
        paths = ["--data", str(self.data), "--responses", str(self.responses), "--judge", judge]
        return ["--benchmark", self.benchmark, *paths]


def case(folder, benchmark, files, answers, replies):
    """Write a benchmark's files, {id: answer} and {id: {"replies" or "runs": ...}}."""
    data = folder / benchmark
    for name, text in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text, "utf-8")
    rows = [{"id": key, "response": text} for key, text in answers.items()]
    responses = lines(folder / "answers.jsonl", rows)
    recording = lines(folder / "replies.jsonl", [{"id": key} | row for key, row in replies.items()])
    return Case(benchmark, data, responses, recording)


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def mm_vet_files(capabilities):
    row = {"question": "What?", "answer": "So", "imagename": "0.png", "imagesource": ""}
    rows = {key: row | {"capability": value} for key, value in capabilities.items()}
    return {"mm-vet.json": json.dumps(rows)}


def mm_vet(folder, scenario):
    """Return the case and the printed numbers."""
    data = recorded("mm_vet")
    run = data["scenarios"][scenario]
    printed = run["cap_scores"] | {f"integration/{k}": v for k, v in run["int_scores"].items()}
    deviation = printed.pop("std")
    if scenario == "five_runs":
        printed["total_std"] = deviation
    replies = {key: {"replies": value} for key, value in run["replies"].items()}
    answers = dict.fromkeys(run["replies"], "an answer")
    return case(folder, "mm_vet", mm_vet_files(data["capabilities"]), answers, replies), printed


def mmhal_files(types):
    row = {"image_content": [], "gt_answer": "", "image_src": "x/0.jpg"}
    rows = [row | {"question": f"Question {i}?", "question_type": t} for i, t in enumerate(types)]
    return {"mmhal-bench_answer_template.json": json.dumps(rows)}


def mmhal(folder, scenario):
    data = recorded("mmhal")
    run = data["scenarios"][scenario]
    informative, average, rate, by_type = (x.partition(": ")[2] for x in run["printed"])
    printed = {
        "score": float(average),
        "hallucination_rate": round(100 * float(rate), 1),
        "informativeness": float(informative),
    } | {
        f"score/{kind}": float(value)
        for kind, value in zip(data["question_types"], by_type.split(","), strict=False)
    }
    replies = {i: {"replies": [reply]} for i, reply in enumerate(run["replies"])}
    answers = dict.fromkeys(replies, "an answer")
    files = mmhal_files(data["question_types"])
    return case(folder, "mmhal", files, answers, replies), printed


def llava_files(categories):
    rows = [
        {"question_id": i, "image": "0.jpg", "category": category, "text": f"Question {i}?"}
        for i, category in enumerate(categories)
    ]
    return {"questions.jsonl": "\n".join(map(json.dumps, rows))}


def llava_bench(folder, scenario):
    data = recorded("llava_bench")
    run = data["scenarios"][scenario]
    rows = [line.split() for line in run["printed"].splitlines()[1:-1]]
    printed = {name.removeprefix("llava_bench_"): float(first) for name, first, *_ in rows}
    replies = {i: {"replies": [reply]} for i, reply in enumerate(run["replies"])}
    answers = dict.fromkeys(replies, "an answer")
    files = llava_files(data["categories"])
    return case(folder, "llava_bench", files, answers, replies), printed


def object_halbench_files():
    data = recorded("object_halbench")
    items = data["items"]
    names = sorted({name for scene in data["scenes"].values() for name in scene["instances"]})
    scenes = [(item["image_id"], data["scenes"][item["scene"]]) for item in items]
    instances = {
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {"image_id": image, "category_id": names.index(name)}
            for image, scene in scenes
            for name in scene["instances"]
        ],
    }
    captions = [
        {"image_id": image, "caption": text}
        for image, scene in scenes
        for text in scene["captions"]
    ]
    questions = [{"image_id": i["image_id"], "question": "Describe.", "image": ""} for i in items]
    return {
        "obj_halbench_300_with_image.jsonl": "\n".join(map(json.dumps, questions)),
        "synonyms_refine.txt": "\n".join(data["synonyms"]),
        "annotations/instances_val2014.json": json.dumps(instances),
        "annotations/captions_val2014.json": json.dumps({"annotations": captions}),
    }


def object_halbench(folder, scenario="overall"):
    """`overall` has the judge's replies with the recorded tags, `overall_words` needs neither."""
    data = recorded("object_halbench")
    replies = {}
    for item in data["items"]:
        texts = ["" if r is None else r for r in item["replies"] if not isinstance(r, dict)]
        tagged = [
            item["tagged"][one]
            for one in phrases(Response(item["image_id"], item["answer"]), texts)
        ]
        replies[item["image_id"]] = {"replies": [*item["replies"], json.dumps(tagged)]}
    answers = {item["image_id"]: item["answer"] for item in data["items"]}
    values = [
        float(f"{100 * data[scenario][x]:.2f}") for x in ("CHAIRs_refine", "CHAIRi", "obj_rec")
    ]
    names = ("response_hallucination", "mention_hallucination", "recall")
    printed = dict(zip(names, values, strict=True))
    return case(folder, "object_halbench", object_halbench_files(), answers, replies), printed


def amber_files(rows, words=None):
    """Files of AMBER for {"id", "type", "truth", ...}; words default to the recorded ones."""
    data = words or recorded("amber")
    queries = [{"id": row["id"], "image": "0.jpg", "query": "?"} for row in rows]
    listed = {word: data["associated"].get(word, []) for word in data["objects"]}
    return {
        "annotations.json": json.dumps(rows),
        "query_all.json": json.dumps(queries),
        "relation.json": json.dumps(listed),
        "safe_words.txt": "\n".join(data["safe"]),
    }


def amber(folder, scenario):
    """`exact_only` and `tiny_vectors` are the two recorded similarities of words."""
    data = recorded("amber")
    rows, answers, replies = [], {}, {}
    for item in data["items"]:
        row = {"id": item["id"], "type": "generative"}
        rows.append(row | {"truth": item["truth"], "hallu": item["hallu"]})
        answers[item["id"]] = "a description" if item["nouns"] else ""
        tags = [[[noun, "NN", noun] for noun in item["nouns"]]]
        replies[item["id"]] = {"replies": [json.dumps(tags)]}
    for number, (kind, truth, answer) in enumerate(data["answers"], 100_000):
        rows.append({"id": number, "type": kind, "truth": truth})
        answers[number] = answer
    files = amber_files(rows)
    if scenario == "tiny_vectors":
        table = {"model": "made up", "pairs": data["similar"]}
        files["similar_words.json"] = json.dumps(table)
    names = ("chair", "cover", "hal", "cog")
    printed = dict(zip(names, data["printed"][scenario], strict=True))
    blocks = ("", "existence/", "attribute/", "attribute/state/", "attribute/number/")
    blocks = (*blocks, "attribute/action/", "relation/")
    names = [b + name for b in blocks for name in ("accuracy", "precision", "recall", "f1")]
    printed |= dict(zip(names, data["printed_answers"], strict=True))
    return case(folder, "amber", files, answers, replies), printed


RECORDED = [
    *((mm_vet, name) for name in recorded("mm_vet")["scenarios"]),
    *((mmhal, name) for name in recorded("mmhal")["scenarios"]),
    *((llava_bench, name) for name in recorded("llava_bench")["scenarios"]),
    (object_halbench, "overall"),
    (amber, "exact_only"),
    (amber, "tiny_vectors"),
]
