"""The whole packed step against the plain one: vision tower, projector, decoder and head."""

import copy
import functools

import dense_attention  # noqa: F401 (makes the name packed_dense known)
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
from two_row_step import assert_equal_steps, in_own_precision, packed_logps, plain_logps

from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.collate import Collator, no_segments
from harness.training.step.policy import Policy, VisionTower

TOKENS, IMAGE = 7, 7
PATCHES = 4
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@functools.cache
def models(dtype):
    """A policy with its tower, and the same LLaVA as it was."""
    torch.manual_seed(0)
    plain = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(
                hidden_size=8,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=16,
                patch_size=8,
            ),
            text_config=LlamaConfig(
                vocab_size=TOKENS + 1,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                tie_word_embeddings=False,
            ),
            image_token_id=IMAGE,
            tie_word_embeddings=False,
        )
    ).to(dtype)
    with torch.no_grad():
        for weight in plain.parameters():
            # Large weights: a small random model hardly looks at what stands before.
            weight.add_(0.3 * torch.randn_like(weight))
    plain.model.vision_tower.requires_grad_(False)
    if dtype == torch.float64:
        plain = in_own_precision(plain)
    copied = copy.deepcopy(plain)
    return Policy(copied).train(), VisionTower(copied, torch.device("cpu")), plain


class Images:
    """An image for every key."""

    def tensor(self, image):
        return torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(int(image.key)))


@st.composite
def pairs(draw):
    """System text, image, question, and responses of one token or more, often equal."""
    some = functools.partial(st.lists, st.integers(0, TOKENS - 1), max_size=5)
    made = []
    for row in range(draw(st.integers(1, 4))):
        system = draw(st.sampled_from([[1], [1, 2, 3]]))
        prompt = [*system, *[IMAGE] * PATCHES, *draw(some())]
        chosen = draw(some(min_size=1))
        rejected = draw(st.one_of(some(min_size=1), st.just(chosen)))
        ids = [torch.tensor(part, dtype=torch.int32) for part in (prompt, chosen, rejected)]
        image = ImageRef(row, 0, str(draw(st.integers(0, 2))))
        made.append(TokenizedPair(row, *ids, images=(image,)))
    return draw(st.permutations(made))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("checkpointing", ["no", "reentrant", "not reentrant"])
@settings(deadline=None, max_examples=20)
@given(pairs(), st.sampled_from(["packed_segments", "packed_dense"]))
def test_the_packed_step_equals_the_plain_one(dtype, checkpointing, made, attention):
    policy, tower, plain = models(dtype)
    policy.language_model.config._attn_implementation = attention
    if checkpointing == "no":
        policy.language_model.gradient_checkpointing_disable()
    else:
        policy.language_model.gradient_checkpointing_enable(
            {"use_reentrant": checkpointing == "reentrant"}
        )
    by_row = sorted(made, key=lambda pair: pair.row)
    collate = Collator(
        pairs=by_row, images=Images(), changed=no_segments, columns={}, image_id=IMAGE
    )
    batch = collate([pair.row for pair in made])
    sides = [[pair.chosen for pair in made], [pair.rejected for pair in made]]
    sequences = [
        [*pair.prompt.tolist(), *response.tolist()]
        for responses in sides
        for pair, response in zip(made, responses, strict=True)
    ]
    pixels = torch.stack([Images().tensor(pair.images[0]) for pair in made]).to(dtype)
    theirs = plain_logps(
        plain, sequences, [len(pair.prompt) for pair in made] * 2, torch.cat([pixels, pixels])
    )
    assert_equal_steps(policy, plain, packed_logps(policy, tower, batch), theirs, TOLERANCE[dtype])


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_runs_every_layer_again_the_last_one_too(reentrant):
    policy, tower, _ = models(torch.float32)
    policy.language_model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    calls = [0] * len(policy.language_model.layers)
    for place, layer in enumerate(policy.language_model.layers):

        def counted(*_, place=place):
            calls[place] += 1

        layer.mlp.register_forward_pre_hook(counted)
    ids = [torch.tensor(part) for part in ([1, *[IMAGE] * PATCHES, 2], [3, 4], [5])]
    made = [TokenizedPair(0, *ids, images=(ImageRef(0, 0, "0"),))]
    collate = Collator(pairs=made, images=Images(), changed=no_segments, columns={}, image_id=IMAGE)
    packed_logps(policy, tower, collate([0])).sum().backward()
    assert calls == [2] * len(calls)


def test_what_pairs_share_is_run_once():
    """Two questions on one image: 2 + 4 positions stand once, then each question and its answers.

    Of a response the last token is no input: 1 + (3 - 1) + (2 - 1) and 2 + (2 - 1) + (1 - 1).
    """
    texts = [([4], [1, 2, 3], [5, 6]), ([5, 6], [1, 2], [3])]
    made = [
        TokenizedPair(
            row,
            torch.tensor([1, 2, *[IMAGE] * PATCHES, *question]),
            torch.tensor(chosen),
            torch.tensor(rejected),
            images=(ImageRef(row, 0, "0"),),
        )
        for row, (question, chosen, rejected) in enumerate(texts)
    ]
    batch = Collator(pairs=made, images=Images(), changed=no_segments, columns={}, image_id=IMAGE)(
        [0, 1]
    )
    assert batch.packed.positions == (2 + 4) + (1 + 2 + 1) + (2 + 1 + 0)
    assert len(batch.images) == 1
    assert batch.packed.input_ids[:6].tolist() == [1, 2, -1, -2, -3, -4]
