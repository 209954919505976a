import json
import subprocess
import sys

import pytest
import torch
from PIL import Image
from tiny_llava import make_checkpoint, make_picture
from transformers import LlavaProcessor

from benchmarks.types import Benchmark, Decoding, Sample
from harness.errors import ConfigError, DataError
from harness.evaluation.generation import generate as generation
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.samples import GenerationTask, read_samples
from harness.evaluation.generation.tasks import shares

QUESTIONS = (
    "Describe this image.",
    "Is there a red circle?",
    "What is left of the blue square? Yes or no, and why do you think that it is so?",
)
COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (200, 200, 0))
GREEDY = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}
BEAMS = GREEDY | {"num_beams": 3}


def nothing(*_arguments):
    raise AssertionError("generation never scores")


def read_toy(files):
    if "toy.json" not in files:
        raise ValueError("toy.json is missing")
    rows = json.loads(files["toy.json"])
    return [Sample(id=row["id"], question=row["question"], image=row["image"]) for row in rows]


TOY = Benchmark(
    name="toy", samples=12, metrics=(), source="made up", annotator=None,
    request=nothing, score=nothing, aggregate=nothing, fallback=None, files=("toy.json",),
    read=read_toy, decoding={"official": Decoding(max_new_tokens=12)},
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve questions about four pictures, ids in no order."""
    root = tmp_path_factory.mktemp("data")
    names = [f"images/{place}.png" for place in range(4)]
    for name, colour in zip(names, COLOURS, strict=True):
        make_picture(root / "toy" / name, colour)
    rows = [
        {"id": 100 - 7 * place, "question": QUESTIONS[place % 3], "image": names[place // 3]}
        for place in range(12)
    ]
    (root / "toy" / "toy.json").write_text(json.dumps(rows))
    return root


@pytest.fixture(scope="module")
def llava(checkpoint):
    return Llava(checkpoint, "vicuna_v1", "center_crop", torch.device("cpu"))


@pytest.fixture
def pictures(data):
    return [data / "toy" / "images" / f"{place}.png" for place in range(4)]


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(generation, "load_benchmark", {"toy": TOY}.__getitem__)


@pytest.fixture
def calls(monkeypatch):
    """Count the questions of every batch; `fail_at` makes that batch run out of memory."""
    sizes = []
    sizes_and_failure = {"sizes": sizes, "fail_at": None}
    token_ids = Llava.token_ids

    def counted(self, questions):
        if len(sizes) == sizes_and_failure["fail_at"]:
            raise torch.OutOfMemoryError("no memory left")
        sizes.append(len(questions))
        return token_ids(self, questions)

    monkeypatch.setattr(Llava, "token_ids", counted)
    return sizes_and_failure


def request(checkpoint, data, out, batch_size=4, **changes):
    values = {
        "model": str(checkpoint), "data": data, "out": out, "benchmarks": ("toy",),
        "template": "vicuna_v1", "transform": "center_crop", "protocol": "official",
    }  # fmt: skip
    return generation.Request(batch_size=batch_size, **values | changes)


def rows_of(out):
    return [json.loads(line) for line in (out / "toy.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_batch_size_does_not_change_answers(llava, pictures, decoding):
    questions = [Question(text, picture) for text in QUESTIONS for picture in pictures]
    alone = [llava.answer([question], decoding)[0] for question in questions]
    together = llava.answer(questions[:8], decoding) + llava.answer(questions[8:], decoding)
    assert together == alone
    assert len(set(alone)) == len(alone), "the picture and the question must both matter"


def test_answer_is_that_of_the_stock_processor_and_model(llava, checkpoint, pictures):
    """The stock path expands image tokens itself and encodes the image inside `generate`."""
    processor = LlavaProcessor.from_pretrained(checkpoint)
    prompt = llava.template.prompt(QUESTIONS[1])
    stock = processor(text=prompt, images=Image.open(pictures[2]), return_tensors="pt")
    ids = llava.model.generate(**stock, **GREEDY)[0, stock["input_ids"].shape[1] :]
    expected = llava.tokenizer.decode(ids, skip_special_tokens=True).strip()
    assert llava.answer([Question(QUESTIONS[1], pictures[2])], GREEDY) == [expected]


def test_each_image_is_encoded_once_per_batch(llava, pictures, monkeypatch):
    encoded = []
    encode = llava.model.get_image_features

    def counted(pixels):
        encoded.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(llava.model, "get_image_features", counted)
    llava.answer([Question(text, pictures[0]) for text in QUESTIONS], GREEDY)
    assert encoded == [1]


def test_image_may_be_a_file_or_its_bytes(llava, pictures):
    from_file = llava.answer([Question(QUESTIONS[0], pictures[0])], GREEDY)
    from_bytes = llava.answer([Question(QUESTIONS[0], pictures[0].read_bytes())], GREEDY)
    assert from_file == from_bytes


def test_question_with_the_image_token_is_refused(llava, pictures):
    with pytest.raises(DataError, match="10 image tokens instead of 9"):
        llava.answer([Question("What does <image> mean?", pictures[0])], GREEDY)


def test_responses_stand_in_published_order_with_the_answers_of_the_model(
    toy, llava, checkpoint, data, tmp_path
):
    generation.generate(request(checkpoint, data, tmp_path))
    rows = rows_of(tmp_path)
    assert [row["id"] for row in rows] == [100 - 7 * place for place in range(12)]
    first = Question(QUESTIONS[0], data / "toy/images/0.png")
    assert rows[0]["response"] == llava.answer([first], GREEDY)[0]
    assert [path.name for path in tmp_path.iterdir()] == ["toy.jsonl"], "journals are gone"


def test_resume_after_a_failure_generates_only_what_is_missing(
    toy, checkpoint, data, tmp_path, calls
):
    """Twelve questions in batches of two; the fourth batch fails, so six answers are kept."""
    calls["fail_at"] = 3
    with pytest.raises(torch.OutOfMemoryError, match="no memory left"):
        generation.generate(request(checkpoint, data, tmp_path, batch_size=2))
    assert not (tmp_path / "toy.jsonl").exists(), "a failure is never an empty answer"
    calls["fail_at"] = None
    calls["sizes"].clear()
    generation.generate(request(checkpoint, data, tmp_path, batch_size=2))
    assert sum(calls["sizes"]) == 6
    generation.generate(request(checkpoint, data, tmp_path / "whole", batch_size=2))
    assert rows_of(tmp_path) == rows_of(tmp_path / "whole")


def test_answers_are_the_same_without_shared_prefixes(toy, checkpoint, data, tmp_path, monkeypatch):
    """With them one image is computed once, here four; without them a batch knows its own only."""
    encoded = []
    features = Llava.image_features

    def counted(self, images):
        encoded.extend(dict.fromkeys(images))
        return features(self, images)

    monkeypatch.setattr(Llava, "image_features", counted)
    counts = {}
    for shared in (True, False):
        encoded.clear()
        out = tmp_path / str(shared)
        generation.generate(request(checkpoint, data, out, batch_size=2), shared_prefix=shared)
        counts[shared] = len(encoded)
    assert rows_of(tmp_path / "True") == rows_of(tmp_path / "False")
    assert counts[True] < counts[False]


@pytest.mark.parametrize(("processes", "most"), [(1, 4), (2, 4), (3, 6), (5, 8)])
def test_processes_share_images_rather_than_questions(data, processes, most):
    """Twelve questions, three per image in a row: each process's part starts where one ended.

    At most processes - 1 images are cut in two: 4 + (processes - 1) visits, fewer where a part
    ends with an image, as with two processes.
    """
    samples = read_samples(TOY, data)
    mixed = [samples[place] for place in (0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11)]
    task = GenerationTask("toy", mixed, data / "toy", Decoding())
    order = shares(task, processes)
    assert sorted(order) == list(range(12))
    visits = [{task.image(index) for index in order[rank::processes]} for rank in range(processes)]
    assert sum(map(len, visits)) <= most


def test_finished_benchmark_is_skipped_without_lmms_eval_and_torch(tmp_path):
    (tmp_path / "toy.jsonl").write_text("")
    script = (
        "import sys; from harness.evaluation.generation.generate import generate, parse; "
        "generate(parse()); "
        "sys.exit('lmms_eval' in sys.modules or 'torch' in sys.modules)"
    )
    arguments = (
        f"--model none --data none --out {tmp_path} --benchmarks toy "
        "--template vicuna_v1 --transform pad"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments.split()])
    assert done.returncode == 0


def test_new_tokens_are_limited_by_protocol_and_by_request(toy, checkpoint, data, tmp_path):
    """The toy protocol allows 12 new tokens: 500 change nothing, 2 cut every answer."""
    outs = {limit: tmp_path / str(limit) for limit in (None, 500, 2)}
    for limit, out in outs.items():
        generation.generate(request(checkpoint, data, out, max_new_tokens=limit))
    plain, long, short = (rows_of(out) for out in outs.values())
    assert plain == long
    for cut, whole in zip(short, plain, strict=True):
        assert len(cut["response"]) < len(whole["response"])


def test_unknown_protocol_names_the_known_ones(toy, checkpoint, data, tmp_path):
    with pytest.raises(ConfigError, match="it has: official"):
        generation.generate(request(checkpoint, data, tmp_path, protocol="offical"))


def test_missing_data_file_is_named(toy, checkpoint, tmp_path):
    (tmp_path / "toy").mkdir()
    with pytest.raises(DataError, match=r"/toy: not the data of benchmark 'toy': toy\.json"):
        generation.generate(request(checkpoint, tmp_path, tmp_path))


def test_two_samples_with_one_id_are_refused(toy, checkpoint, data, tmp_path):
    rows = json.loads((data / "toy" / "toy.json").read_text())
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.json").write_text(json.dumps([*rows, rows[2]]))
    with pytest.raises(DataError, match="ids stand twice: 86"):
        generation.generate(request(checkpoint, tmp_path, tmp_path))
