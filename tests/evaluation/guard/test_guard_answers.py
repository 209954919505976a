"""What lmms-eval asks is answered by our own model, and is on disk before the next is asked."""

import json
from dataclasses import dataclass

import pytest
import torch
from PIL import Image
from tiny_llava import make_checkpoint

from harness.errors import DataError
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.guard.adapter import GuardedModel
from harness.evaluation.guard.journal import GuardJournal, progress
from harness.evaluation.guard.likelihood import likelihoods


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    folder = make_checkpoint(tmp_path_factory.mktemp("model"))
    return Llava(folder, "vicuna_v1", "center_crop", torch.device("cpu"))


def pictures(doc):
    return [Image.new("RGB", (48, 48), (doc["colour"], 9, 9)) for _ in range(doc.get("count", 1))]


PLAIN = Llava.answer


class Bench:
    """A model that lmms-eval could ask, and what it was asked in truth."""

    def __init__(self, llava, folder, docs, batch_size=2):
        self.path = folder / "task.jsonl"
        self.asked, self.fails_at = [], None
        self._llava, self._folder, self._docs, self._size = llava, folder, docs, batch_size

    def model(self, monkeypatch):
        model = GuardedModel(self._llava, GuardJournal(self.path), self._folder, self._size)
        model.task_dict["task"] = {"test": self._docs}

        def answer(llava, questions, decoding):
            if self.fails_at is not None and len(self.asked) >= self.fails_at:
                raise MemoryError("no room")
            self.asked += [question.text for question in questions]
            return PLAIN(llava, questions, decoding)

        monkeypatch.setattr(Llava, "answer", answer)
        return model


@dataclass(frozen=True)
class Asked:
    """A request, as far as the adapter reads it."""

    args: tuple


def generations(docs, **settings):
    given = {"max_new_tokens": 4, "temperature": 0.0, "until": ["\n\n"]} | settings
    return [
        Asked((doc["text"], given, pictures, place, "task", "test"))
        for place, doc in enumerate(docs)
    ]


DOCS = [{"text": f"Is there a red circle? {place}", "colour": 40 * place} for place in range(5)]


def test_a_killed_run_asks_only_what_is_left(llava, tmp_path, monkeypatch):
    bench = Bench(llava, tmp_path, DOCS)
    whole = bench.model(monkeypatch).generate_until(generations(DOCS))
    assert len(set(whole)) > 1
    bench.path.unlink()
    bench.asked, bench.fails_at = [], 2
    with pytest.raises(MemoryError):
        bench.model(monkeypatch).generate_until(generations(DOCS))
    assert progress(bench.path) == (2, 5)
    first = list(bench.asked)
    bench.fails_at = None
    assert bench.model(monkeypatch).generate_until(generations(DOCS)) == whole
    assert sorted(bench.asked) == sorted({doc["text"] for doc in DOCS})
    assert bench.asked[:2] == first
    assert progress(bench.path) == (5, 5)


def test_another_picture_question_or_decoding_is_asked_anew(llava, tmp_path, monkeypatch):
    bench = Bench(llava, tmp_path, docs := [dict(DOCS[0])])
    model = bench.model(monkeypatch)
    model.generate_until(generations(docs))
    model.generate_until(generations(docs))
    assert len(bench.asked) == 1
    docs[0]["colour"] = 200
    model.generate_until(generations(docs))
    docs[0]["text"] = "Describe this image."
    model.generate_until(generations(docs))
    model.generate_until(generations(docs, max_new_tokens=3))
    assert len(bench.asked) == 4


@pytest.mark.parametrize("count", [0, 2])
def test_a_document_with_other_than_one_picture_is_no_answer(llava, tmp_path, monkeypatch, count):
    docs = [{"text": "What?", "colour": 1, "count": count}]
    model = Bench(llava, tmp_path, docs).model(monkeypatch)
    with pytest.raises(DataError, match=f"document 0 comes with {count} pictures"):
        model.generate_until(generations(docs))


def by_hand(llava, question, more):
    """Mean loss of the tokens of `more`, from the logits of a row without padding."""
    start = llava.token_ids([question.text])[0]
    text = llava.prompt(question.text) + more
    ids = torch.tensor([llava.tokenizer(text, return_token_type_ids=False)["input_ids"]])
    embedded = llava.embed(ids, llava.image_features([question.image]))
    logs = llava.model(inputs_embeds=embedded).logits.float().log_softmax(-1)[0]
    tail = range(len(start), ids.shape[1])
    return -sum(float(logs[at - 1, ids[0, at]]) for at in tail) / len(tail)


def test_likelihoods_of_a_batch_are_those_of_each_row_alone(llava, tmp_path):
    Image.new("RGB", (48, 48), (90, 9, 9)).save(file := tmp_path / "0.png")
    questions = [Question("What?", file), Question("Is there a red circle, please?", file)]
    found = likelihoods(llava, questions, [" Yes.", " No"])
    with torch.inference_mode():
        alone = [by_hand(llava, *one) for one in zip(questions, (" Yes.", " No"), strict=True)]
    assert [loss for loss, _ in found] == pytest.approx(alone, rel=1e-4)


def test_the_likeliest_continuation_is_greedy(llava, tmp_path):
    Image.new("RGB", (48, 48), (90, 9, 9)).save(file := tmp_path / "0.png")
    question = Question("What?", file)
    with torch.inference_mode():
        ids = torch.tensor(llava.token_ids([question.text]))
        embedded = llava.embed(ids, llava.image_features([file]))
        best = int(llava.model(inputs_embeds=embedded).logits[0, -1].argmax())
    token = llava.tokenizer.decode([best])
    ((_, greedy),) = likelihoods(llava, [question], [token])
    assert greedy is (llava.tokenizer(token)["input_ids"][1:] == [best])


def test_continuations_reach_the_scorer_as_pairs_and_are_kept(llava, tmp_path, monkeypatch):
    from lmms_eval.api.instance import unwrap_generation_output

    bench = Bench(llava, tmp_path, DOCS)
    requests = [
        Asked(("What?", more, pictures, place, "task", "test"))
        for place in range(2)
        for more in (" Yes", " No")
    ]
    found = bench.model(monkeypatch).loglikelihood(requests)
    assert all(isinstance(unwrap_generation_output(one)[0], tuple) for one in found)
    assert progress(bench.path) == (4, 4)
    monkeypatch.setattr("harness.evaluation.guard.adapter.likelihoods", None)
    assert bench.model(monkeypatch).loglikelihood(requests) == found


def test_a_damaged_journal_is_named(tmp_path):
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps({"requests": 2}) + "\nno json\n")
    with pytest.raises(DataError, match="not a journal of answers"):
        GuardJournal(path)
