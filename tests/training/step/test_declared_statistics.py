"""Statistics over all words: those of the plain step, made chunk by chunk and without gradient."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from live_bytes import LiveBytes
from test_packed_policy import IMAGE, Images, models, pairs
from torch import nn

from harness.data.rows.collate import Collator, no_segments
from harness.training.step import policy as policy_module
from harness.training.step.declared import pair_batch
from harness.training.step.passes import Passes, Share
from harness.training.step.policy import LogpsHead

PLAINLY = {
    "log_sum_p2": lambda logits: logits.softmax(-1).square().sum(-1).log(),
    "arg_max": lambda logits: logits.argmax(-1),
}
"""Each statistic by hand, of all logits at once."""
ASKED = [frozenset(some) for count in (1, 2) for some in itertools.combinations(PLAINLY, count)]
BOTH = frozenset(PLAINLY)


def batches(made, size, statistics):
    by_row = sorted(made, key=lambda pair: pair.row)
    collate = Collator(by_row, Images(), no_segments, {}, IMAGE, statistics=statistics)
    rows = [pair.row for pair in made]
    return [collate(rows[i : i + size]) for i in range(0, len(rows), size)]


def plain_logits(plain, pair, response):
    ids = torch.tensor([[*pair.prompt.tolist(), *response.tolist()]])
    pixels = Images().tensor(pair.images[0])[None].double()
    return plain(input_ids=ids, pixel_values=pixels).logits[0, len(pair.prompt) - 1 : -1].detach()


@pytest.fixture(params=[(2048, 128), (3, 2)], ids=["whole", "chunks"], autouse=True, scope="module")
def _chunks(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy_module, "_HEAD_ROWS", request.param[0])
        patch.setattr(policy_module, "_STATISTICS_ROWS", request.param[1])
        yield


@pytest.mark.parametrize("size", [4, 1])
@pytest.mark.parametrize("asked", ASKED, ids="+".join)
@settings(deadline=None, max_examples=10)
@given(made=pairs())
def test_a_method_reads_by_name_what_the_plain_step_says(size, asked, made):
    """In one pass and in several, whose responses have other widths."""
    policy, tower, plain = models(torch.float64)
    tokens = batches(made, size, asked)
    found = Passes(policy, lambda batch: tower.features(batch.images), tokens).forward()
    batch = pair_batch(Share.of(tokens), found, None, segmented=False)
    for side in ("chosen", "rejected"):
        read = getattr(batch, side).statistics
        assert read.keys() == asked
        for name, values in read.items():
            assert not values.requires_grad
            assert values.shape == getattr(batch, side).policy.shape
            assert values.dtype == (torch.int64 if name == "arg_max" else torch.float64)
            for i, pair in enumerate(made):
                right = PLAINLY[name](plain_logits(plain, pair, getattr(pair, side)))
                torch.testing.assert_close(values[i, : len(right)], right, atol=1e-9, rtol=0)
                assert (values[i, len(right) :] == 0).all()


@settings(deadline=None, max_examples=15)
@given(made=pairs())
def test_log_probabilities_and_gradients_are_those_without_them(made):
    policy, tower, _ = models(torch.float64)
    outcomes = []
    for statistics in (BOTH, frozenset()):
        (batch,) = batches(made, len(made), statistics)
        policy.zero_grad()
        found = policy(batch, tower.features(batch.images))
        assert len(found.statistics) == 2 * len(statistics)
        (found.chosen.sum() - 0.5 * found.rejected.sum()).backward()
        outcomes.append((found.chosen, found.rejected, policy.head.weight.grad.clone()))
    torch.testing.assert_close(*outcomes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tokens", [3, 7], ids=["one chunk", "several"])
def test_ids_that_bfloat16_cannot_hold_are_whole(tokens):
    """It holds whole numbers to 256; the head of a bfloat16 run is asked for words beyond."""
    words = [257, 1001, 31999, 5, 20001, 32767, 4097][:tokens]
    hidden = torch.eye(len(words), dtype=torch.bfloat16)
    head = LogpsHead(nn.Linear(len(words), 32768, bias=False, dtype=torch.bfloat16))
    with torch.no_grad():
        head.weight.zero_()
        head.weight[words, range(len(words))] = 1
    found = head(hidden, torch.zeros(len(words), dtype=torch.long), ["arg_max", "log_sum_p2"])
    assert found[:, 1].long().tolist() == words
    # e^1 and 32767 times e^0: one number for all tokens.
    sums = torch.tensor([torch.e**k + 32767 for k in (2.0, 1.0)], dtype=torch.float64).log()
    assert found[:, 2].tolist() == pytest.approx([float(sums[0] - 2 * sums[1])] * tokens, rel=1e-5)


def test_with_a_reference_each_stands_where_it_belongs():
    """Log-probability, the statistics in their order, and the divergence last: zero from itself."""
    head = LogpsHead(nn.Linear(4, 50, bias=False))
    hidden, targets = torch.randn(7, 4), torch.arange(7)
    found = head(hidden, targets, ["arg_max", "log_sum_p2"], hidden, head.weight.detach())
    logits = nn.functional.linear(hidden, head.weight)
    assert found[:, 1].tolist() == logits.argmax(-1).tolist()
    torch.testing.assert_close(found[:, 0], logits.log_softmax(-1)[range(7), targets])
    torch.testing.assert_close(found[:, 2], PLAINLY["log_sum_p2"](logits))
    torch.testing.assert_close(found[:, 3], torch.zeros(7), atol=1e-6, rtol=0)


def peak(statistics, tokens=8, words=5000):
    head = LogpsHead(nn.Linear(4, words, bias=False))
    hidden = torch.randn(tokens, 4, requires_grad=True)
    with LiveBytes() as counted:
        found = head(hidden, torch.arange(tokens), statistics)
        (found if found.dim() == 1 else found[:, 0]).sum().backward()
    return counted.peak, tokens * words * 4


def test_the_most_probable_word_takes_no_memory_over_the_vocabulary():
    """Less than one row of logits more, where the vocabulary is what takes memory."""
    without, logits = peak([])
    with_it, _ = peak(["arg_max"])
    assert without > logits // 8 * 3  # of a chunk of three tokens at least
    assert with_it - without < logits // 8


def test_what_nobody_asks_for_runs_no_operation(monkeypatch):
    """The head alone returns what it returned before there were statistics: one number a token."""
    monkeypatch.setattr(policy_module, "_STATISTICS", {})
    head = LogpsHead(nn.Linear(4, 50, bias=False))
    assert head(torch.randn(7, 4), torch.arange(7)).shape == (7,)
