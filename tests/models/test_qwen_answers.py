"""Answers of Qwen2.5-VL are those of its own processor and `generate`."""

import json

import numpy as np
import pytest
import tiny_qwen
import torch
import world_fixture
from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration

from benchmarks.types import Benchmark, Decoding, Sample
from harness.data.images import open_image
from harness.errors import ConfigError, DataError
from harness.evaluation.generation import generate as generation
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.prefix import SharedPrefix
from harness.models.base import load_base

QUESTIONS = (
    "What is in the picture?",
    "Is there a red dog next to the house, or is there a cat, please?",
    "Why?",
)
GREEDY = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}


def nothing(*_arguments):
    raise AssertionError("generation never scores")


def read_toy(files):
    rows = json.loads(files["toy.json"])
    return [Sample(id=row["id"], question=row["question"], image=row["image"]) for row in rows]


TOY = Benchmark(
    name="toy", samples=6, metrics=(), source="made up", annotator=None,
    request=nothing, score=nothing, aggregate=nothing, fallback=None, files=("toy.json",),
    read=read_toy, decoding={"official": Decoding(max_new_tokens=12)},
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_qwen.write_qwen(tmp_path_factory.mktemp("qwen") / "base")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    return [world_fixture.png(rng, tiny_qwen.SIDE, tiny_qwen.SIDE) for _ in range(2)]


@pytest.fixture(scope="module")
def model(folder):
    return Llava(folder, "qwen2_5_vl", "center_crop", torch.device("cpu"))


def asked(pictures):
    return [Question(text, picture) for picture in pictures for text in QUESTIONS]


def plain_answer(folder, question, **settings):
    """What a user of transformers would write, without the checkpoint's repetition penalty."""
    base = load_base(folder, torch.float32)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    end = base.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=0)
    prompt = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|><|image_pad|><|vision_end|>{question.text}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    given = base.processor(images=open_image(question.image), text=prompt, return_tensors="pt")
    ids = model.generate(**given, **settings)[0, given["input_ids"].shape[1] :]
    return base.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_in_a_batch_are_those_of_plain_transformers(folder, model, pictures, beams):
    settings = GREEDY | {"num_beams": beams}
    questions = asked(pictures)
    found = model.answer(questions, settings)
    assert found == [plain_answer(folder, question, **settings) for question in questions]
    assert len(set(found)) == len(found), "the picture and the question must both matter"


def test_answers_from_a_shared_prefix_are_the_same(model, pictures):
    prefix = SharedPrefix(model)
    questions = asked(pictures)
    found = prefix.answer(questions[:2], GREEDY) + prefix.answer(questions[2:], GREEDY)
    assert found == model.answer(questions, GREEDY)


def test_a_repetition_penalty_counts_prompt_and_answer_and_only_when_asked(model, pictures):
    questions = asked(pictures)
    plain = model.answer(questions, GREEDY)
    assert model.answer(questions, GREEDY | {"repetition_penalty": 1.0}) == plain
    assert model.answer(questions, GREEDY | {"repetition_penalty": 5.0}) != plain


def test_a_question_with_the_image_token_is_refused(model, pictures):
    with pytest.raises(DataError, match="10 image tokens instead of 9"):
        model.answer([Question("What does <|image_pad|> mean?", pictures[0])], GREEDY)


def test_the_template_of_another_family_is_refused(model):
    with pytest.raises(ConfigError, match=r"vicuna_v1 is not one .* qwen2_5_vl. Set it to qwen2"):
        model.asked_with("vicuna_v1", "center_crop")


def test_a_benchmark_is_answered_through_lmms_eval(folder, model, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(generation, "load_benchmark", lambda _: TOY)
    images = tmp_path / "data" / "toy" / "images"
    images.mkdir(parents=True)
    rows = []
    for place, question in enumerate(asked(pictures)):
        (images / f"{place // 3}.png").write_bytes(question.image)
        rows.append({"id": place, "question": question.text, "image": f"images/{place // 3}.png"})
    (tmp_path / "data" / "toy" / "toy.json").write_text(json.dumps(rows))
    request = generation.Request(
        model=str(folder),
        data=tmp_path / "data",
        out=tmp_path / "out",
        benchmarks=("toy",),
        template="qwen2_5_vl",
        transform="center_crop",
        protocol="official",
        batch_size=2,
    )
    generation.generate(request)
    lines = (tmp_path / "out" / "toy.jsonl").read_text().splitlines()
    assert [json.loads(line)["response"] for line in lines] == model.answer(asked(pictures), GREEDY)
