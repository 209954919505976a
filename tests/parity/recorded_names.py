"""What a loss gives back, under the names of the records."""

import torch
from compare import Between
from recorded_views import of_views

SIDES = ("chosen", "rejected")
_TIE = 1e-6
"""Rewards that are nearer to each other than this may be in either order after rounding."""


def names(batch, output, ranks=1):
    """Return what a loss gives under the names of the records."""
    total = (output.weights * output.losses).sum() * ranks
    views = getattr(batch, "views", {})
    compared = getattr(batch, "divergence", ())
    further = [*(view.policy for view in views.values()), *compared]
    leaves = [batch.chosen.policy, batch.rejected.policy]
    gradients = torch.autograd.grad(total, [*leaves, *further], materialize_grads=True)
    metrics = output.metrics
    rewards = [metrics[f"rewards/{side}"] for side in SIDES]
    preference = metrics.get("losses/preference", output.losses)
    nll = metrics["losses/nll"].mean().item() if "losses/nll" in metrics else 0.0
    found = {
        "losses": preference.tolist(),
        "losses_sigmoid": preference.tolist(),
        "losses_sorted": sorted(output.losses.tolist()),
        "mask": (output.weights > 0).int().tolist(),
        "loss": total.item(),
        "sft_loss": nll,
        "nll": nll,
        "metrics": {
            "rewards/chosen": rewards[0].mean().item(),
            "rewards/rejected": rewards[1].mean().item(),
            "rewards/accuracies": Between(*_accurate(*rewards)),
            "rewards/margins": (rewards[0] - rewards[1]).mean().item(),
            "losses/dpo": preference.mean().item(),
            "losses/sft": nll,
            "losses/total": total.item(),
            "sft_loss": nll,
            "nll_loss": nll,
        },
        "state": output.state,
    }
    if "losses/quality" in metrics:
        found["losses_bco_pair"] = metrics["losses/quality"].tolist()
    if "log_odds" in metrics:
        found |= _odds(total, preference, metrics["log_odds"])
        found["metrics"]["log_odds_ratio"] = -preference.mean().item()
        found["metrics"]["log_odds_chosen"] = metrics["log_odds"].mean().item()
    if "weight" in metrics:
        found["weight"] = found["trl_weight"] = metrics["weight"].tolist()
    if "clip_weight" in metrics:
        found["clip_weight"] = metrics["clip_weight"].tolist()
        found["metrics"]["clip_weight/delta"] = metrics["clip_weight"].mean().item()
    if "gap_std" in metrics:
        found["running_mean_used"] = metrics["gap_mean"].item()
        found["running_std_used"] = metrics["gap_std"].item()
    if "reward_mean" in metrics:
        found["delta"] = metrics["reward_mean"].item()
        found["running"] = {"mean": found["delta"]}
    if "beta" in metrics:
        found["beta_used"] = metrics["beta"].tolist()
    found |= of_views(batch, metrics, dict(zip(views, gradients[2:], strict=False)))
    for name, slopes in zip(SIDES, gradients[2 + len(views) :], strict=False):
        found[f"grad_{name}_kl"] = slopes.tolist()
    for side, reward, slopes in zip(SIDES, rewards, gradients[:2], strict=True):
        found[f"{side}_rewards"] = reward.tolist()
        mask = getattr(batch, side).mask
        rows = [row[own].tolist() for row, own in zip(slopes, mask, strict=True)]
        for name in ("policy", "per_token", "tokens"):
            found[f"grad_{name}_{side}"] = rows
        found[f"grad_first_and_last_token_{side}"] = [[row[0], row[-1]] for row in rows]
        found[f"grad_token_{side}_first"] = [row[0] for row in rows]
        found[f"grad_sum_{side}"] = sum(map(sum, rows))
    return found


def _odds(total, preference, log_odds):
    return {
        "loss_bfloat16": total.bfloat16().item(),
        "log_odds": log_odds.tolist(),
        "logged": {
            "Log Odds Ratio": -preference.mean().item(),
            "Log Odds": log_odds.mean().item(),
        },
    }


def _accurate(chosen, rejected):
    """Return the share of pairs whose chosen reward leads, without ties and with them."""
    lead = (chosen - rejected) / (1 + chosen.abs())
    return [(lead > least).double().mean().item() for least in (_TIE, -_TIE)]
