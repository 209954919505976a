"""CHiP's records of whole steps: from token ids and the logits of both models."""

import torch
from method_cases import Rank
from torch.nn import functional as F

from harness.training.step.policy import _divergence
from methods.segments import changed_in_batch
from methods.types import ResponseLogps
from methods.views import ViewBatch
from methods.with_reference.chip import CORRUPTED, METHOD, CHiPConfig, ratios


def end_to_end(case):
    """One pair; the released code multiplies the reference's view by the sum of the weights."""
    inputs = case["inputs"]
    prompt = inputs["prompt_length"]
    policy = inputs["policy_logits_chosen_rejected_corrupted"]
    reference = [
        *inputs["reference_logits_chosen_rejected"],
        inputs["reference_logits_corrupted_chosen"],
    ]
    ids = [inputs["chosen_ids"], inputs["rejected_ids"], inputs["chosen_ids"]]
    changed = changed_in_batch(ids[:1], ids[1:2], "released", 0)[0]
    logits = [
        [_of_response(rows, own, prompt) for rows, own in zip(model, ids, strict=True)]
        for model in (policy, reference)
    ]

    width = max(map(len, ids)) - prompt

    def response(i):
        tokens = torch.tensor(ids[i][prompt:])[:, None]
        mine, theirs = (
            model[i].log_softmax(-1).gather(1, tokens).squeeze(1)[None] for model in logits
        )
        marked = torch.tensor(changed[i % 2])[None, prompt - 1 :]
        parts = (mine, theirs, torch.ones_like(marked), marked)
        return ResponseLogps(*(F.pad(part, (0, width - part.shape[1])) for part in parts))

    def divergence(i):
        values = _divergence(logits[1][i], logits[0][i])
        return F.pad(values, (0, width - len(values)))[None]

    batch = ViewBatch(
        response(0),
        response(1),
        {},
        {CORRUPTED: response(2)},
        (divergence(0), divergence(1)),
    )
    weight = inputs["dpo_token_weight"] if inputs["dpo_token_weighted"] else 1.0
    config = CHiPConfig(
        beta=inputs["beta"],
        tok_beta=inputs["tok_beta"],
        token_weight=weight,
        reference_view="sum_times_weights",
    )
    output = METHOD.loss(batch, config, METHOD.init_state(config), Rank())
    found = {"loss": output.losses.item(), "used": _used(batch, config)}
    yield "official", case["official"], found
    yield "reference_float64", case["reference_float64"], _weights(batch, weight)


def _of_response(rows, ids, prompt):
    return torch.tensor(rows, dtype=torch.float64)[prompt - 1 : len(ids) - 1]


def _weighted(response, config, of_view=False):
    """The two sums of a log-ratio, apart: each with zeros in place of the other model."""
    nothing = torch.zeros_like(response.policy)
    parts = {"policy": response.policy, "reference": nothing}
    mine = ResponseLogps(**parts, mask=response.mask, changed=response.changed)
    parts = {"policy": nothing, "reference": -response.reference}
    theirs = ResponseLogps(**parts, mask=response.mask, changed=response.changed)
    return ratios(mine, config).item(), ratios(theirs, config, of_view).item()


def _used(batch, config):
    found = {}
    for name, one in {"chosen": batch.chosen, "rejected": batch.rejected}.items():
        found[f"policy_{name}"], found[f"reference_{name}"] = _weighted(one, config)
    policy, reference = _weighted(batch.views[CORRUPTED], config, of_view=True)
    found |= {f"policy_{CORRUPTED}": policy, f"reference_{CORRUPTED}_as_used": reference}
    sides = zip(("chosen", "rejected"), batch.divergence, strict=True)
    return found | {f"{name}_kl": values.sum().item() for name, values in sides}


def _weights(batch, weight):
    view = batch.views[CORRUPTED]
    sides = {"chosen": batch.chosen, "rejected": batch.rejected}
    paper = CHiPConfig(token_weight=weight)
    return {
        **{
            f"weights_{name}": (1 + (weight - 1) * one.changed[one.mask]).tolist()
            for name, one in sides.items()
        },
        "reference_chosen_corrupted_sum": view.reference.sum().item(),
        "reference_chosen_corrupted_weighted": _weighted(view, paper, of_view=True)[1],
    }
