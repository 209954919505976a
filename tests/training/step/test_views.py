"""Views: each as the plain step has it, in the row of its pairs, drawn anew only where said."""

import threading
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_loop import Threads, known_loop
from test_packed_policy import IMAGE, TOLERANCE, Images, models, pairs
from two_row_step import assert_equal_steps, error, plain_logps

from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.data.rows.collate import Collator, no_segments
from harness.data.rows.views import Views
from harness.errors import ConfigError, DataError
from harness.training.step import policy as policy_module
from harness.training.step.live_reference import LiveReference
from harness.training.step.passes import Passes, Share
from methods.types import MethodConfig, NoState
from methods.views import View, ViewMethod

CROP = View("crop", "crop", "chosen")
FRESH = View("fresh", "crop", "chosen", draw="forward")
NOISE = View("noise", "noise", "rejected", draw="epoch")
ON_OTHER = View("on_other", "other", "chosen")
OTHER_ON = View("other_on", "own", "other")
BOTH_OTHER = View("both_other", "other", "other")
ALL = (CROP, FRESH, NOISE, ON_OTHER, OTHER_ON, BOTH_OTHER)


def collator(made, declared=ALL, seed=0, divergence=False):
    by_row = sorted(made, key=lambda pair: pair.row)
    views = Views(declared, seed, by_row, Images().tensor, 100, divergence)
    return Collator(by_row, Images(), no_segments, {}, IMAGE, views=views), views


def several(made):
    """Give every pair a picture of its own, and have two of them."""
    made = [replace(one, images=(ImageRef(one.row, 0, str(one.row)),)) for one in made]
    return (
        made if len(made) > 1 else [*made, replace(made[0], row=1, images=(ImageRef(1, 0, "1"),))]
    )


@settings(deadline=None, max_examples=20)
@given(made=pairs())
def test_pairs_and_views_have_numbers_and_gradients_of_the_plain_step(made):
    made, dtype = several(made), torch.float64
    collate, views = collator(made)
    policy, tower, plain = models(dtype)
    batch = collate([pair.row for pair in made], 3)
    drawn = [views.draw(view, pair, 3, False) for view in ALL for pair in made]
    sides = [pair.chosen for pair in made] + [pair.rejected for pair in made]
    responses = [*sides, *(one.response for one in drawn)]
    prompts = made * (2 + len(ALL))
    sequences = [
        [*pair.prompt.tolist(), *response.tolist()]
        for pair, response in zip(prompts, responses, strict=True)
    ]
    own = [Images().tensor(pair.images[0]) for pair in made] * 2
    own += [Images().tensor(one.image) if one.pixels is None else one.pixels for one in drawn]
    starts = [len(pair.prompt) for pair in prompts]
    theirs = plain_logps(plain, sequences, starts, torch.stack(own).to(dtype))
    found = policy(batch, tower.features(batch.images))
    masks = [batch.chosen, batch.rejected, *batch.views.values()]
    logps = [found.chosen, found.rejected, *found.views]
    ours = torch.cat([one[mask.mask] for one, mask in zip(logps, masks, strict=True)])
    assert_equal_steps(policy, plain, ours, theirs, TOLERANCE[dtype])


def pair(row, picture, prompt=(1, *[IMAGE] * 4, 3), chosen=(4, 5, 2), rejected=(5, 2)):
    ids = (torch.tensor(part, dtype=torch.int32) for part in (prompt, chosen, rejected))
    return TokenizedPair(row, *ids, images=(ImageRef(row, 0, str(picture)),))


FOUR = [pair(0, 0), pair(1, 1), pair(2, 2, prompt=(1, *[IMAGE] * 4, 6)), pair(3, 1)]


def test_another_picture_shares_the_system_text_alone():
    """1 + (5 + 2 + 1) for both responses, and 5 + 2 for the view: one row, nothing twice."""
    plain = Collator(FOUR, Images(), no_segments, {}, IMAGE)([0])
    assert plain.packed.positions == 1 + 5 + 2 + 1
    assert collator(FOUR, (CROP,))[0]([0]).packed.positions == 1 + (5 + 2 + 1) + (5 + 2)
    own = collator(FOUR, (View("again", "own", "chosen"),))[0]([0])
    assert own.packed.positions == plain.packed.positions


def test_draws_hang_on_seed_pair_epoch_and_view_alone():
    def pixels(view, row=0, epoch=0, seed=0, of_reference=False):
        return collator(FOUR, (view,), seed)[1].draw(view, FOUR[row], epoch, of_reference).pixels

    for view in (CROP, FRESH, NOISE):
        assert torch.equal(pixels(view), pixels(view))
        assert not torch.equal(pixels(view), pixels(view, seed=1))
        assert not torch.equal(pixels(view), pixels(view._replace(name="another")))
        assert torch.equal(pixels(view), pixels(view, epoch=1)) == (view.draw == "once")
        same = torch.equal(pixels(view), pixels(view, of_reference=True))
        assert same == (view.draw != "forward")
    assert not torch.equal(pixels(CROP, row=1), pixels(CROP, row=3))


@given(seed=st.integers(0, 50))
def test_another_pair_has_another_picture_and_the_same_question_where_one_has(seed):
    _, views = collator(FOUR, (ON_OTHER, BOTH_OTHER), seed)
    for row, right in ((0, {"1"}), (1, {"0"}), (2, {"0", "1"}), (3, {"0"})):
        drawn = [views.draw(view, FOUR[row], 0, False) for view in (ON_OTHER, BOTH_OTHER)]
        assert {one.image.key for one in drawn} <= right
        assert drawn[0].image == drawn[1].image


def test_what_is_wrong_is_said():
    with pytest.raises(ConfigError, match="no image operation 'blur'"):
        collator(FOUR, (View("a", "blur", "chosen"),))
    alone = [pair(0, 0), pair(1, 0)]
    with pytest.raises(DataError, match="asks for another picture of the data set, and there is"):
        collator(alone, (ON_OTHER,))[0]([0])


def test_the_reference_runs_what_is_not_fixed_and_nothing_else():
    assert collator(FOUR, (CROP, ON_OTHER))[0]([0]).live is None
    live = collator(FOUR)[0]([0, 2], 1).live
    assert list(live.views) == ["fresh", "noise"]
    assert not live.chosen.mask.any()
    assert collator(FOUR, (NOISE,), divergence=True)[0]([0]).live is None
    fresh = collator(FOUR, (FRESH,), divergence=True)[0]([0])
    assert torch.equal(fresh.live.packed.input_ids, fresh.packed.input_ids)
    assert not torch.equal(fresh.live.images, fresh.images)


@pytest.fixture(params=[256, 2], ids=["whole", "chunks"])
def _chunks(request, monkeypatch):
    monkeypatch.setattr(policy_module, "_DIVERGENCE_ROWS", request.param)


def moved(policy):
    """The policy as it was, and the same a step away from it."""
    reference = LiveReference.of_start(policy, shares_frozen=True)
    generator = torch.Generator().manual_seed(1)
    for weight in reference.model.parameters():
        weight.add_(0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return reference


@pytest.mark.parametrize("size", [4, 1])
@pytest.mark.usefixtures("_chunks")
def test_the_divergence_is_that_of_all_words_and_has_its_gradient(size):
    """In one pass and in several; the reference sees other pictures than the policy."""
    policy, tower, _ = models(torch.float64)
    reference = moved(policy)
    collate, _ = collator(FOUR, (FRESH,), divergence=True)
    batches = [collate(range(4)[i : i + size]) for i in range(0, 4, size)]
    encode = lambda tokens: tower.features(tokens.images)  # noqa: E731
    engine = Engine(policy)
    run = Passes(engine, encode, batches, reference)
    found = run.forward()
    share = Share.of(batches)
    assert share.divergence
    policy.zero_grad()
    run.backward(found.divergence[1].sum() - 0.3 * found.views[0].sum())
    ours = policy.head.weight.grad.clone()
    whole = collate(range(4))
    hidden = policy.hidden(whole, encode(whole))
    theirs = reference.model.hidden(whole.live, encode(whole.live))
    q, p = (
        (rows @ head.weight.T).log_softmax(-1)
        for rows, head in ((theirs, reference.model.head), (hidden, policy.head))
    )
    each = (q.exp() * (q - p)).sum(-1)
    for values, side in zip(found.divergence, (whole.chosen, whole.rejected), strict=True):
        right = torch.where(side.mask, each[side.places], 0)
        assert error(values, right) <= 1e-9
    policy.zero_grad()
    view = policy.logps(whole, hidden).views[0].sum()
    (torch.where(whole.rejected.mask, each[whole.rejected.places], 0).sum() - 0.3 * view).backward()
    assert error(ours, policy.head.weight.grad) <= 1e-9


class Engine:
    """Runs the policy and adds gradients; no processes, no update."""

    def __init__(self, policy):
        self._policy = policy

    def __call__(self, *inputs):
        return self._policy(*inputs)

    def backward(self, loss, last):
        loss.backward()


def test_a_reference_beside_the_policy_does_not_move_with_it():
    policy, tower, _ = models(torch.float64)
    reference = LiveReference.of_start(policy, shares_frozen=False)
    batch = Collator(FOUR, Images(), no_segments, {}, IMAGE)([0])
    features = tower.features(batch.images)
    before = reference.of(batch, features, None).logps.chosen
    with torch.no_grad():
        policy.head.weight.mul_(2)
    assert torch.equal(reference.of(batch, features, None).logps.chosen, before)
    assert not torch.equal(policy(batch, features).chosen, before)
    assert not any(weight.requires_grad for weight in reference.model.parameters())
    with torch.no_grad():
        policy.head.weight.div_(2)


class Kept:
    """Log-probabilities of views of which each value is its row."""

    def side(self, name, rows, width):
        return torch.tensor(rows, dtype=torch.float64)[:, None].expand(-1, width)


@pytest.mark.parametrize("divergence", [False, True])
def test_each_view_has_the_reference_it_asked_for(divergence, tmp_path):
    """Kept, of this step, or none; where it runs the whole row, all are of this step."""
    declared = (CROP, View("alone", "blank", "chosen", reference=False), NOISE)
    policy, tower, _ = models(torch.float64)
    collate, _ = collator(FOUR, declared, divergence=divergence)
    batch = collate([0, 2])
    live = LiveReference.of_start(policy, shares_frozen=True)
    encode = lambda tokens: tower.features(tokens.images)  # noqa: E731
    method = ViewMethod(
        name="mine",
        config=MethodConfig,
        loss=lambda *_: None,
        init_state=lambda config: NoState(),
        source="",
        views=lambda config: declared,
        divergence=divergence,
    )
    here = Threads(0, 1, threading.Barrier(1), {})
    loop = replace(known_loop(tmp_path, method, here), fixed_views=Kept(), live=live)
    run = Passes(policy, encode, [batch], live)
    found = loop._views_reference(Share.of([batch]), run.live)
    right = policy(batch, encode(batch)).views
    assert error(found[2], right[2]) <= 1e-12
    if divergence:
        assert error(found[0], right[0]) <= 1e-12
        assert error(found[1], right[1]) <= 1e-12
    else:
        assert found[0].tolist() == [[0, 0, 0], [2, 2, 2]]
        assert found[1] is None
