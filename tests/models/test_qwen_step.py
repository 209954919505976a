"""Qwen2.5-VL in the packed step gives what the published class gives for each sequence alone."""

import copy

import numpy as np
import pytest
import tiny_qwen
import torch
import world_fixture
from made_pairs import batch_of, square_rows

from harness.data.images import open_image
from harness.data.rows.batch import PairTokenizer
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform, square_side
from harness.errors import ConfigError, DataError
from harness.inspection.pair import read_tokenizer, segment_lines
from harness.models.base import load_base
from harness.models.family import family_of, load_family
from harness.training.step.policy import Policy, VisionTower

TEMPLATE = TEMPLATES["qwen2_5_vl"]


@pytest.fixture(scope="module", params=[False, True], ids=["own head", "tied head"])
def folder(request, tmp_path_factory):
    return tiny_qwen.write_qwen(tmp_path_factory.mktemp("qwen") / "base", tied=request.param)


def test_the_prompt_is_that_of_the_published_chat_template():
    assert TEMPLATE.prompt("Why {so}?") == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>Why {so}?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_response_follows_the_prompt_at_once_and_ends_with_im_end(folder):
    base = load_base(folder, torch.float32)
    row = square_rows(1)[0]
    made = next(iter(PairTokenizer(base.processor, TEMPLATE, 9, 500).tokenize([row])))
    decode = base.processor.tokenizer.decode
    assert decode(made.chosen) == f"{row.chosen}<|im_end|>"
    expected = TEMPLATE.prompt(row.question).replace("<|image_pad|>", "<|image_pad|>" * 9)
    assert decode(made.prompt) == expected


def test_a_template_whose_end_the_tokenizer_does_not_know_is_refused():
    with pytest.raises(ConfigError, match=r"does not know '<\|im_end\|>'.* template qwen2_5_vl"):
        TEMPLATE.end_id(world_fixture.tokenizer())


def test_patches_of_a_square_are_those_of_the_processor(folder):
    base = load_base(folder, torch.float32)
    image = open_image(square_rows(1)[0].image)
    ours = ImageTransform(base.processor, "center_crop")(image)
    patches, grids = family_of(base.model).image_inputs(base.model.config, ours[None])
    theirs = tiny_qwen.image_processor()(image, return_tensors="pt")
    assert torch.equal(patches, theirs["pixel_values"])
    assert grids.tolist() == theirs["image_grid_thw"].tolist() == [[1, 6, 6]]


def test_every_image_becomes_the_same_square(folder):
    base = load_base(folder, torch.float32)
    assert base.image_tokens == tiny_qwen.TOKENS
    for mode in ("center_crop", "pad"):
        transform = ImageTransform(base.processor, mode)
        for width, height in ((60, 50), (20, 90)):
            image = open_image(world_fixture.png(np.random.default_rng(0), width, height))
            assert transform(image).shape == (3, tiny_qwen.SIDE, tiny_qwen.SIDE)


@pytest.mark.parametrize(
    ("smallest", "largest", "side"),
    [(56**2, 28 * 28 * 1280, 448), (56**2, 300**2, 280), (500**2, 900**2, 504)],
)
def test_square_side_is_448_within_the_bounds_of_the_processor(smallest, largest, side):
    """In multiples of 28: 16 x 28 = 448; 280 < 300 < 308; 476 < 500 < 504."""
    area = {"shortest_edge": smallest, "longest_edge": largest}
    assert square_side({"patch_size": 14, "merge_size": 2, "size": area}) == side


def test_positions_are_those_of_get_rope_index(folder):
    """Prompts of several lengths, left-padded; image tokens 5..13 of each."""
    model = load_base(folder, torch.float32).model
    image = model.config.image_token_id
    rows = [[1] * 5 + [image] * 9 + [7] * length for length in (1, 4, 30)]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    theirs, _ = model.model.get_rope_index(
        ids,
        mm_token_type_ids=(ids == image).int(),
        image_grid_thw=torch.tensor([[1, 6, 6]] * 3),
        attention_mask=mask,
    )
    counts = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)
    ours = family_of(model).positions(counts, ids == image, 9)
    assert torch.equal(ours * mask, theirs * mask)
    assert ours[:, 0, -11:].T.tolist() == [
        [4, 4, 4],
        *([5, 5 + row, 5 + column] for row in range(3) for column in range(3)),
        [8, 8, 8],
    ]


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 2e-5)], ids=["double", "single"]
)
def test_logps_equal_those_of_the_plain_transformers_forward(folder, dtype, error):
    """Four pairs over two images: shared texts and images stand once in the packed row."""
    base = load_base(folder, dtype)
    rows = square_rows(4)
    tokens = batch_of(base, rows, TEMPLATE)
    model = copy.deepcopy(base.model)  # the policy runs it in another way
    policy, tower = Policy(model), VisionTower(model, torch.device("cpu"))
    with torch.no_grad():
        found = policy(tokens, tower.features(tokens.images))
        for i, row in enumerate(rows):
            for side, logps, masks in (
                ("chosen", found.chosen, tokens.chosen),
                ("rejected", found.rejected, tokens.rejected),
            ):
                expected = plain_logps(base, row, getattr(row, side))
                assert logps[i][masks.mask[i]] == pytest.approx(expected, abs=error)


def plain_logps(base, row, response):
    prompt = TEMPLATE.prompt(row.question)
    image = open_image(row.image)
    given = base.processor(images=image, text=f"{prompt}{response}<|im_end|>", return_tensors="pt")
    pixels = tiny_qwen.image_processor()(image, return_tensors="pt")["pixel_values"]
    given["pixel_values"] = pixels.to(base.model.dtype)
    start = base.processor(images=image, text=prompt, return_tensors="pt")["input_ids"].shape[1]
    logits = base.model(**given).logits[0, start - 1 : -1]
    targets = given["input_ids"][0, start:]
    return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]


def test_gradients_equal_those_of_the_plain_transformers_forward(folder):
    """Of the sum of all log-probabilities; RMSNorm rounds to float32 also in a float64 model."""
    base = load_base(folder, torch.float64)
    rows = square_rows(2)
    tokens = batch_of(base, rows, TEMPLATE)
    model = copy.deepcopy(base.model)
    policy, tower = Policy(model), VisionTower(model, torch.device("cpu"))
    found = policy(tokens, tower.features(tokens.images))
    (found.chosen.sum() + found.rejected.sum()).backward()
    for row in rows:
        (
            plain_logps(base, row, row.chosen).sum() + plain_logps(base, row, row.rejected).sum()
        ).backward()
    theirs = dict(base.model.model.language_model.named_parameters())
    for name, ours in policy.language_model.named_parameters():
        assert float((ours.grad - theirs[name].grad).norm() / theirs[name].grad.norm()) < 1e-6, name


def test_the_whole_tower_is_frozen_and_decoder_and_head_are_trained(folder):
    model = load_base(folder, torch.float32).model
    VisionTower(model, torch.device("cpu"))
    policy = Policy(model)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen
    assert all(name.startswith("model.visual.") for name in frozen)
    trained = sum(weight.numel() for weight in policy.parameters())
    visual = sum(weight.numel() for weight in model.model.visual.parameters())
    assert trained + visual == sum(weight.numel() for weight in model.parameters())


def test_a_model_of_an_unknown_kind_is_named_with_the_known_ones(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "fuyu"}')
    with pytest.raises(
        DataError, match=r"config.json: models of the type 'fuyu' .*llava, qwen2_5_vl"
    ):
        load_family(tmp_path)


def test_segments_are_shown_with_the_tokens_of_qwen(folder):
    """One word is replaced: its token stands in brackets, and the end is <|im_end|>."""
    reader = read_tokenizer(str(folder), TEMPLATE)
    same = "There is a {} dog."
    texts = {"chosen": same.format("red"), "rejected": same.format("green")}
    row = square_rows(1)[0].model_copy(update=texts)
    lines = [line.plain for line in segment_lines(row, reader, "released", 3, TEMPLATE)]
    assert lines[0].startswith("chosen    There is a[ red] dog.<|im_end|>")
    assert lines[1].startswith("rejected  There is a[ green] dog.<|im_end|>")
