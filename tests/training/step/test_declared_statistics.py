"""Statistics over all words: those of the plain step, made chunk by chunk and without gradient."""

import pytest
import torch
from hypothesis import given, settings
from test_packed_policy import IMAGE, Images, models, pairs

from harness.data.rows.collate import Collator, no_segments
from harness.training.step import policy as policy_module
from harness.training.step.passes import Passes

ASKED = frozenset({"log_sum_p2"})


def batches(made, size, statistics=ASKED):
    by_row = sorted(made, key=lambda pair: pair.row)
    collate = Collator(by_row, Images(), no_segments, {}, IMAGE, statistics=statistics)
    rows = [pair.row for pair in made]
    return [collate(rows[i : i + size]) for i in range(0, len(rows), size)]


def plainly(plain, pair, response):
    ids = torch.tensor([[*pair.prompt.tolist(), *response.tolist()]])
    pixels = Images().tensor(pair.images[0])[None].double()
    logits = plain(input_ids=ids, pixel_values=pixels).logits[0, len(pair.prompt) - 1 : -1]
    return logits.softmax(-1).square().sum(-1).log()


@pytest.fixture(params=[(2048, 128), (3, 2)], ids=["whole", "chunks"], autouse=True, scope="module")
def _chunks(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_module, "_HEAD_ROWS", request.param[0])
        patch.setattr(policy_module, "_STATISTICS_ROWS", request.param[1])
        yield


@pytest.mark.parametrize("size", [4, 1])
@settings(deadline=None, max_examples=15)
@given(made=pairs())
def test_the_sum_of_squares_is_that_of_the_plain_step(size, made):
    """In one pass and in several, whose log-probabilities have the gradients of before."""
    policy, tower, plain = models(torch.float64)
    passes = Passes(policy, lambda batch: tower.features(batch.images), batches(made, size))
    found = passes.forward()
    assert not any(values.requires_grad for values in found.statistics)
    for values, side in zip(found.statistics, ("chosen", "rejected"), strict=True):
        for i, pair in enumerate(made):
            right = plainly(plain, pair, getattr(pair, side))
            assert values[i, : len(right)] == pytest.approx(right.detach(), abs=1e-9)
            assert (values[i, len(right) :] == 0).all()


@settings(deadline=None, max_examples=15)
@given(made=pairs())
def test_log_probabilities_and_gradients_are_those_without_it(made):
    policy, tower, _ = models(torch.float64)
    outcomes = []
    for statistics in (ASKED, frozenset()):
        (batch,) = batches(made, len(made), statistics)
        policy.zero_grad()
        found = policy(batch, tower.features(batch.images))
        assert len(found.statistics) == 2 * len(statistics)
        (found.chosen.sum() - 0.5 * found.rejected.sum()).backward()
        outcomes.append((found.chosen, found.rejected, policy.head.weight.grad.clone()))
    torch.testing.assert_close(*outcomes, rtol=1e-12, atol=1e-12)
