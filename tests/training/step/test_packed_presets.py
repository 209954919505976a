"""The packed step against transformers' own processor and forward, for the model of every preset.

Heads, image tokens and the proportions of the decoder are those of the model; its width is a
handful of numbers per head, and it has two layers.
"""

import copy
from dataclasses import replace

import pytest
import torch
import world_fixture
from two_row_step import assert_equal_steps, in_own_precision, packed_logps, plain_logps

from harness.costs.shapes import llava_config, shape_of
from harness.data.images import open_image
from harness.data.pairs.preferences import PreferencePair
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform
from harness.settings.resolve import resolve
from harness.training.step.policy import Policy, VisionTower
from harness.world.config import WorldConfig
from harness.world.trained.base import new_model
from harness.world.trained.tokens import make_processor, make_tokenizer

PER_HEAD = 8


def world_model():
    """The tiny preset's own model, as it is before it learns."""
    config = WorldConfig()
    texts = [text for row in world_fixture.rows(30) for text in (row["question"], row["chosen"])]
    tokenizer = make_tokenizer(texts, config.vocabulary)
    return new_model(tokenizer, config), make_processor(tokenizer)


def llava(name):
    """A narrow one with the number of heads and image tokens of a published one."""
    from transformers import CLIPImageProcessorPil, LlavaForConditionalGeneration, LlavaProcessor

    shape, tokenizer = shape_of(name), world_fixture.tokenizer()
    width, side = PER_HEAD * shape.heads, shape.vision.image
    narrow = replace(
        shape,
        hidden=width,
        intermediate=shape.intermediate * width // shape.hidden,
        vocabulary=len(tokenizer),
        vision=replace(shape.vision, hidden=2 * shape.vision.heads, intermediate=32, layers=2),
    )
    config = llava_config(narrow, layers=2)
    config.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        tokenizer=tokenizer,
        patch_size=shape.vision.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return LlavaForConditionalGeneration(config), processor


@pytest.fixture(scope="module", params=["tiny", "7b", "13b"])
def preset(request):
    """The model part of the specification, a model in float64 and its processor."""
    spec = resolve("dama", request.param).spec
    torch.manual_seed(0)
    model, processor = world_model() if request.param == "tiny" else llava(spec.model.path)
    model.double().model.vision_tower.requires_grad_(False)
    return spec, in_own_precision(model), processor


@pytest.fixture(scope="module")
def preferences():
    """Two pairs on one image and one on another."""
    made = world_fixture.rows(4)
    return [
        PreferencePair(
            row=row,
            pair_id=str(row),
            image=made[i]["image"]["bytes"],
            **{key: made[i][key] for key in ("question", "chosen", "rejected")},
        )
        for row, i in enumerate((0, 2, 1))
    ]


def collated(spec, model, processor, preferences):
    vision = model.config.vision_config
    tokenizer = PairTokenizer(
        processor,
        TEMPLATES[spec.model.template],
        (vision.image_size // vision.patch_size) ** 2,
        spec.data.max_length,
    )
    collate = Collator(
        pairs=list(tokenizer.tokenize(preferences)),
        images=ImageStore(preferences, ImageTransform(processor, spec.model.image_transform)),
        changed=no_segments,
        columns={},
        image_id=int(processor.image_token_id),
    )
    return collate(range(len(preferences)))


def by_transformers(spec, processor, preferences):
    """Return token ids, where responses start, and pixels, by the processor alone."""
    prompts = [TEMPLATES[spec.model.template].prompt(pair.question) for pair in preferences]
    texts = [
        f"{prompt} {getattr(pair, side)}{processor.tokenizer.eos_token}"
        for side in ("chosen", "rejected")
        for prompt, pair in zip(prompts, preferences, strict=True)
    ]
    images = [open_image(pair.image) for pair in preferences]
    starts = [
        len(processor(text=prompt, images=image)["input_ids"][0])
        for prompt, image in zip(prompts, images, strict=True)
    ]
    read = processor(text=texts, images=images * 2)
    pixels = torch.stack([torch.as_tensor(one) for one in read["pixel_values"]])
    return read["input_ids"], starts * 2, pixels.double()


def test_the_model_of_every_preset_gets_the_logps_and_gradients_of_two_padded_rows(
    preset, preferences
):
    """Through the preset's template, image transform and length, in float64 to 1e-9."""
    spec, plain, processor = preset
    copied = copy.deepcopy(plain)
    policy, tower = Policy(copied).train(), VisionTower(copied, torch.device("cpu"))
    ours = packed_logps(policy, tower, collated(spec, plain, processor, preferences))
    theirs = plain_logps(plain, *by_transformers(spec, processor, preferences))
    assert_equal_steps(policy, plain, ours, theirs, 1e-9)


@pytest.mark.parametrize(("size", "heads", "tokens"), [("7b", 32, 576), ("13b", 40, 576)])
def test_the_published_models_have_their_heads_and_image_tokens(size, heads, tokens):
    """576 = (336 / 14)^2."""
    shape = shape_of(resolve("dama", size).spec.model.path)
    assert (shape.heads, shape.key_heads, shape.image_tokens) == (heads, heads, tokens)
