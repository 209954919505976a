"""From pairs to the tensors of a step, and the log-probabilities they give."""

import copy

import pytest
import torch
import world_fixture

from harness.data.columns.columns import with_means
from harness.data.images import ImageRef, open_image
from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.rows.batch import PairTokenizer, TokenizedPair
from harness.data.rows.collate import Collator, ImageStore, changed_by, no_segments
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform
from harness.errors import DataError
from harness.models.base import load_base
from harness.training.step.policy import Policy, VisionTower
from methods.rlhf_v import METHOD as RLHF_V
from methods.rlhf_v import RLHFVConfig

TEMPLATE = TEMPLATES["vicuna_v1"]


@pytest.fixture(scope="module")
def model(base):
    return load_base(base, torch.float32)


@pytest.fixture(scope="module")
def preferences(parquet):
    return Preferences(parquet)


def tokenizer(model, max_length=500):
    return PairTokenizer(model.processor, TEMPLATE, model.image_tokens, max_length)


def collator(model, preferences, changed=no_segments, columns=None):
    store = ImageStore(preferences, ImageTransform(model.processor, "center_crop"))
    pairs = list(tokenizer(model).tokenize(preferences))
    return Collator(pairs, store, changed, columns or {}, model.processor.image_token_id)


def pair(**changes):
    values = {"row": 0, "pair_id": "0", "question": "Why?", "chosen": "a dog", "rejected": "a cat"}
    return PreferencePair(
        **(values | {"image": world_fixture.rows(1)[0]["image"]["bytes"]} | changes)
    )


def test_prompt_of_both_templates():
    start = "A chat between a curious {0} and an artificial intelligence assistant. The assistant "
    start += "gives helpful, detailed, and polite answers to the {0}'s questions. USER: "
    for name, who in (("vicuna_v1", "user"), ("llava_v1", "human")):
        prompt = TEMPLATES[name].prompt("Why?")
        assert prompt == start.format(who) + "<image>\nWhy? ASSISTANT:"


def test_ids_equal_those_of_the_processor_with_an_end_token(model):
    made = next(tokenizer(model).tokenize([pair()]))
    text = f"{TEMPLATE.prompt('Why?')} a dog"
    image = open_image(pair().image)
    theirs = model.processor(images=image, text=text, return_tensors="pt")["input_ids"][0].tolist()
    assert [*made.prompt.tolist(), *made.chosen.tolist()] == [*theirs, 2 - 1]
    assert model.processor.tokenizer.decode(made.chosen) == " a dog</s>"


def test_image_token_is_expanded_to_the_patches(model):
    """48 x 48 pixels in patches of 16 are 9 tokens."""
    made = next(tokenizer(model).tokenize([pair()]))
    assert int((made.prompt == model.processor.image_token_id).sum()) == 9


def test_responses_are_cut_at_max_length_and_marked(model):
    whole = next(tokenizer(model).tokenize([pair(chosen="a dog and a cat and a car")]))
    limit = len(whole.prompt) + len(whole.chosen) - 2
    short = tokenizer(model, max_length=limit)
    cut = next(short.tokenize([pair(chosen="a dog and a cat and a car")]))
    assert cut.chosen.tolist() == whole.chosen.tolist()[:-2]
    assert cut.rejected.tolist() == whole.rejected.tolist()
    assert (whole.cut, cut.cut) == (False, True)


def test_prompt_that_fills_max_length_is_refused(model):
    with pytest.raises(
        DataError, match=r"row 0: the prompt has \d+ tokens with its image, and max"
    ):
        next(tokenizer(model, max_length=20).tokenize([pair()]))


def test_pairs_that_share_an_image_share_its_tensor(model, preferences):
    """Rows 0 and 10 of the fixture have the same image bytes."""
    tokens = collator(model, preferences)([0, 10, 1])
    assert tokens.images.shape == (2, 3, 48, 48)
    slots = -1 - tokens.packed.input_ids[tokens.packed.input_ids < 0]
    assert slots.tolist() == list(range(2 * 9))


@pytest.mark.parametrize(("keys", "positions", "images"), [("ab", 15, 2), ("aa", 12, 1)])
def test_pairs_that_share_an_image_share_its_positions(keys, positions, images):
    """System text 1, image 3, question 1; responses of 3 and 2 tokens, whose last is never run.

    Apart: 1 + (3 + 1 + 2 * 2) + (3 + 1 + 2 * 1). Together the image's 3 stand once.
    """
    made = [
        ([1, 9, 9, 9, 2], [3, 4, 5], [6, 4, 5]),
        ([1, 9, 9, 9, 7], [3, 8], [6, 8]),
    ]
    pairs = [
        TokenizedPair(row, *map(torch.tensor, ids), images=(ImageRef(row, 0, key),))
        for row, (ids, key) in enumerate(zip(made, keys, strict=True))
    ]
    tokens = Collator(pairs, OneColour(), no_segments, {}, image_id=9)([0, 1])
    assert tokens.packed.positions == positions
    assert len(tokens.images) == images


class OneColour:
    def tensor(self, _image):
        return torch.zeros(3, 2, 2)


def test_places_lead_to_the_response_with_its_end_token(model, preferences):
    tokens = collator(model, preferences)([3, 4])
    decoded = [
        model.processor.tokenizer.decode(tokens.packed.targets[places[mask]])
        for side in (tokens.chosen, tokens.rejected)
        for places, mask in zip(side.places, side.mask, strict=True)
    ]
    rows = [preferences[3], preferences[4]]
    assert decoded == [f" {r.chosen}</s>" for r in rows] + [f" {r.rejected}</s>" for r in rows]


def test_mean_of_clip_gap_comes_as_a_constant_column(model, preferences):
    gaps = with_means({"clip_gap": torch.arange(20.0)})
    tokens = collator(model, preferences, columns=gaps)([2, 5])
    assert tokens.columns["clip_gap"].tolist() == [2.0, 5.0]
    assert tokens.columns["clip_gap_mean"].tolist() == [9.5, 9.5]


def test_changed_tokens_are_those_of_the_replaced_words(model):
    """One word is replaced in the middle: its tokens and nothing else are marked."""
    same = "There is a {} dog next to the house."
    both = pair(chosen=same.format("red"), rejected=same.format("yellow"))
    made = next(tokenizer(model).tokenize([both]))
    marks = changed_by(RLHF_V.segments(RLHFVConfig()), model.processor.image_token_id)(made)
    words = [
        model.processor.tokenizer.decode(ids[mask])
        for ids, mask in zip((made.chosen, made.rejected), marks, strict=True)
    ]
    assert words == [" red", " yellow"]


def test_logps_equal_those_of_the_plain_transformers_forward(model, preferences):
    """Each response alone through the published class, log-softmax over all its logits."""
    tokens = collator(model, preferences)([0, 5, 7, 10])
    llava = copy.deepcopy(model.model)  # the policy runs it in another way
    policy, tower = Policy(llava), VisionTower(llava, torch.device("cpu"))
    with torch.no_grad():
        found = policy(tokens, tower.features(tokens.images))
        for i, row in enumerate(tokens.rows):
            for side, logps, masks in (
                ("chosen", found.chosen, tokens.chosen),
                ("rejected", found.rejected, tokens.rejected),
            ):
                expected = plain_logps(model, preferences[row], side)
                assert logps[i][masks.mask[i]] == pytest.approx(expected, abs=2e-5)
                assert logps[i][~masks.mask[i]].abs().sum() == 0


def plain_logps(model, row, side):
    prompt = TEMPLATE.prompt(row.question)
    image = open_image(row.image)
    given = model.processor(
        images=image, text=f"{prompt} {getattr(row, side)}</s>", return_tensors="pt"
    )
    start = model.processor(images=image, text=prompt, return_tensors="pt")["input_ids"].shape[1]
    logits = model.model(**given).logits[0, start - 1 : -1]
    targets = given["input_ids"][0, start:]
    return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]


def test_head_in_chunks_equals_the_head_at_once(model, monkeypatch):
    policy = Policy(model.model)
    hidden = torch.randn(50, 32, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(50)
    at_once = policy.head(hidden, targets)
    monkeypatch.setattr("harness.training.step.policy._HEAD_ROWS", 16)
    torch.testing.assert_close(policy.head(hidden, targets), at_once)


def test_vision_tower_is_frozen_and_the_rest_is_trained(model):
    VisionTower(model.model, torch.device("cpu"))
    assert not any(weight.requires_grad for weight in model.model.model.vision_tower.parameters())
    assert all(weight.requires_grad for weight in Policy(model.model).parameters())


def test_earlier_turns_stand_in_the_prompt(model):
    history = (("Who?", "Ann."),)
    tokens = next(tokenizer(model).tokenize([pair(history=history)]))
    text = TEMPLATE.joined(TEMPLATE.prompt("Why?", history), "a dog")
    image_id = model.processor.image_token_id
    ids = [*tokens.unexpanded(image_id).tolist(), *tokens.chosen.tolist()]
    assert ids[:-1] == model.processor.tokenizer(text)["input_ids"]
    assert ids.count(model.processor.tokenizer.eos_token_id) == 2
