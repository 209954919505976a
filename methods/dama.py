"""Data- and model-aware DPO: beta follows the hardness of a pair and the state of the policy.

The defaults are Algorithm 1 of the paper. The released code departs from it at several points;
each of them is one field, whose other value is the code's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from methods.logps import gap_metrics, reward_gap
from methods.types import LossOutput, Method, MethodConfig, PairBatch, StepContext

SelectionRule = Callable[
    [Float[Tensor, " all_pairs"], Float[Tensor, ""], int, torch.Generator],
    Int[Tensor, " count"],
]
"""Which pairs speak for the batch: gaps, running mean, how many, random numbers -> indices.

An index may come twice: it then counts twice in the batch statistic and once in the loss.
"""


def nearest(
    gaps: Float[Tensor, " all_pairs"],
    running_mean: Float[Tensor, ""],
    count: int,
    rng: torch.Generator,
) -> Int[Tensor, " count"]:
    """Keep the gaps nearest to the running mean; of equal distances the lowest index.

    The paper speaks of filtering outliers; that the rule is this one is our reading.
    """
    return torch.argsort((gaps - running_mean).abs(), stable=True)[:count]


def gaussian_draw(
    gaps: Float[Tensor, " all_pairs"],
    running_mean: Float[Tensor, ""],
    count: int,
    rng: torch.Generator,
) -> Int[Tensor, " count"]:
    """Draw without replacement, each gap weighted by exp(-(gap - running mean)^2 / 2).

    The released code hands these weights to `torch.multinomial`; in float32 they are zero beyond
    14.4 nats, and it then repeats pairs or fills up in the order of memory. The largest of
    log-weight plus Gumbel noise follow the same distribution and cannot underflow. A gap that is
    not finite is drawn last.
    """
    distance = (gaps.double().cpu() - running_mean.double().cpu()).abs()
    distance = distance.nan_to_num(nan=math.inf, posinf=math.inf)
    closest = distance.min()
    # Only ratios of weights count: relative to the largest one, so that no noise is lost in the
    # rounding of large squares; where no distance is finite (inf - inf), all weigh the same.
    log_weights = -0.5 * (distance - closest) * (distance + closest)
    log_weights = log_weights.nan_to_num(nan=0.0, neginf=-math.inf)
    exponential = torch.empty_like(log_weights).exponential_(generator=rng)
    order = torch.argsort(log_weights - exponential.log(), descending=True, stable=True)
    return order[:count].to(gaps.device)


SELECTIONS: dict[str, SelectionRule] = {"nearest": nearest, "gaussian_draw": gaussian_draw}


class DAMAConfig(MethodConfig):
    """Hyper-parameters of DAMA and the choices between Algorithm 1 and the released code."""

    beta: float = Field(default=0.1, gt=0, description="Strength of the pull to the reference.")
    data_aware: bool = Field(default=True, description="Scale beta by the hardness of the pair.")
    model_aware: bool = Field(default=True, description="Scale beta by the batch's reward gap.")
    keep: float = Field(
        default=0.8, gt=0, le=1, description="Share of the batch left by the filter, rounded down."
    )
    momentum: float = Field(
        default=0.9, ge=0, le=1, description="Of the running mean of the reward gap."
    )
    selection: str = Field(default="nearest", description="Rule of SELECTIONS that filters.")
    model_factor: Literal["sigmoid_of_mean", "mean_of_sigmoids"] = Field(
        default="sigmoid_of_mean", description="How the kept reward gaps become one number."
    )
    mean_update: Literal["kept", "all"] = Field(
        default="kept", description="Reward gaps that enter the running mean."
    )
    drop_unselected: bool = Field(
        default=False, description="Leave the filtered pairs out of the loss too."
    )
    average: Literal["global", "per_rank"] = Field(
        default="global", description="Mean over all pairs, or mean over ranks of their own means."
    )
    min_beta: float = Field(default=0.0, ge=0, description="Lower bound of the scaled beta.")
    mean_clip_gap: Literal["dataset"] | float = Field(
        default="dataset", description="Mean of clip_gap: that of the data at hand, or a number."
    )
    reference_dtype: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Rounding of summed reference logps and of clip_gap; float32 rounds nothing.",
    )

    @property
    def per_device(self) -> bool:
        """Whether every device averages its own share."""
        return self.average == "per_rank"

    @field_validator("selection")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in SELECTIONS:
            raise ValueError(f"unknown selection {name!r}; choose one of {', '.join(SELECTIONS)}")
        return name


@dataclass(frozen=True)
class DAMAState:
    """What DAMA remembers between batches."""

    gap_mean: Float[Tensor, ""]
    """Running mean of the reward gap, in nats."""


@dataclass(frozen=True)
class Selected:
    """Outcome of the filter, over the pairs of all ranks."""

    gaps: Float[Tensor, " count"]
    """Reward gaps of the drawn indices, repeats included."""
    kept: Float[Tensor, " all_pairs"]
    """One for a kept pair, zero for the others."""


def loss(
    batch: PairBatch, config: DAMAConfig, state: DAMAState, context: StepContext
) -> LossOutput[DAMAState]:
    """Return the DPO loss with beta * alpha_D * alpha_M in place of beta, which has no gradient.

    Reads the column clip_gap and, unless `mean_clip_gap` is a number, clip_gap_mean: the mean of
    clip_gap over the whole data set, the same for every pair.
    Source: Algorithm 1 of arXiv:2502.01943; injadlu/DAMA DAMA/llava/train/train_dpo.py.
    """
    bfloat16 = config.reference_dtype == "bfloat16"
    gaps = reward_gap(batch, torch.bfloat16 if bfloat16 else None)
    all_gaps = context.gather(gaps.detach())
    running_mean = torch.as_tensor(state.gap_mean).to(all_gaps)
    selected = _select(all_gaps, running_mean, config, context.shared_rng)
    mine = slice(context.rank * len(gaps), (context.rank + 1) * len(gaps))
    alpha_d = _data_factor(batch, gaps.detach(), config)
    alpha_m = _model_factor(selected.gaps, running_mean, config)
    beta = (config.beta * (alpha_d * alpha_m)).clamp(min=config.min_beta)
    return LossOutput(
        losses=-F.logsigmoid(beta * gaps),
        weights=_weights(selected.kept, mine, config),
        state=_updated(running_mean, all_gaps, selected, config) if context.training else state,
        metrics={
            **gap_metrics(gaps),
            "beta": beta,
            "alpha_d": alpha_d,
            "alpha_m": alpha_m,
            "kept": selected.kept[mine],
            "gap_mean": running_mean,
        },
    )


def kept_count(config: DAMAConfig, pairs: int) -> int:
    """Return K, how many of the pairs of a batch the filter leaves."""
    return int(pairs * config.keep)


def batch_problem(config: DAMAConfig, pairs: int) -> str | None:
    """Say so where the filter would leave no pair at all."""
    if kept_count(config, pairs):
        return None
    return (
        f"dama: keep={config.keep:g} leaves none of the {pairs} pairs of a batch. Raise "
        "training.batch_pairs, or keep all of them: --set method.keep=1.0"
    )


def _select(
    all_gaps: Float[Tensor, " all_pairs"],
    running_mean: Float[Tensor, ""],
    config: DAMAConfig,
    rng: torch.Generator,
) -> Selected:
    if problem := batch_problem(config, len(all_gaps)):
        raise ValueError(problem)
    index = SELECTIONS[config.selection](
        all_gaps, running_mean, kept_count(config, len(all_gaps)), rng
    )
    kept = torch.zeros_like(all_gaps).index_fill_(0, index, 1.0)
    return Selected(gaps=all_gaps[index], kept=kept)


def _data_factor(
    batch: PairBatch, gaps: Float[Tensor, " pairs"], config: DAMAConfig
) -> Float[Tensor, " pairs"]:
    """Return alpha_D (Eq. 6): above one where CLIP tells the responses apart more than usual."""
    if not config.data_aware:
        return torch.ones_like(gaps)
    # Faithful: in the released code clip_gap arrives, and alpha_D leaves, in bfloat16. Its two sums
    # are rounded there before they are subtracted, which one column of differences cannot show.
    stored = torch.bfloat16 if config.reference_dtype == "bfloat16" else gaps.dtype
    hardness = torch.sigmoid(batch.columns["clip_gap"].to(stored)).to(gaps.dtype)
    mean = _mean_clip_gap(batch, gaps, config)
    return (hardness / torch.sigmoid(mean)).to(stored).to(gaps.dtype)


def _mean_clip_gap(
    batch: PairBatch, gaps: Float[Tensor, " pairs"], config: DAMAConfig
) -> Float[Tensor, " pairs"]:
    if config.mean_clip_gap != "dataset":
        return torch.full_like(gaps, config.mean_clip_gap)
    if "clip_gap_mean" not in batch.columns:
        raise ValueError(
            "dama: with mean_clip_gap='dataset' the batch must have a column clip_gap_mean, the "
            "mean of clip_gap over the data set. Add it, or set mean_clip_gap to a number."
        )
    return batch.columns["clip_gap_mean"].to(gaps.dtype)


def _model_factor(
    kept: Float[Tensor, " count"], running_mean: Float[Tensor, ""], config: DAMAConfig
) -> Float[Tensor, ""]:
    """Return alpha_M (Eq. 12): above one where the batch is ahead of the running mean.

    In float64 and as logarithms, because sigmoid(-104) is zero in float32.
    """
    if not config.model_aware:
        return torch.ones_like(running_mean)
    if config.model_factor == "sigmoid_of_mean":
        batch = F.logsigmoid(kept.double().mean())
    else:
        batch = F.logsigmoid(kept.double()).logsumexp(dim=0) - math.log(len(kept))
    return (batch - F.logsigmoid(running_mean.double())).exp().to(kept.dtype)


def _weights(
    kept: Float[Tensor, " all_pairs"], mine: slice, config: DAMAConfig
) -> Float[Tensor, " pairs"]:
    counted = kept if config.drop_unselected else torch.ones_like(kept)
    local = counted[mine]
    if config.average == "global":
        return local / counted.sum()
    # Faithful: every rank divides by its own count and the ranks are averaged, so that a pair
    # weighs more on a rank that kept few, and a rank that kept none still is one of the ranks.
    ranks = len(counted) // len(local)
    return local / (local.sum().clamp(min=1) * ranks)


def _updated(
    running_mean: Float[Tensor, ""],
    all_gaps: Float[Tensor, " all_pairs"],
    selected: Selected,
    config: DAMAConfig,
) -> DAMAState:
    """Move the running mean once the loss has used the old one (Eq. 14)."""
    batch = selected.gaps if config.mean_update == "kept" else all_gaps
    return DAMAState(config.momentum * running_mean + (1 - config.momentum) * batch.mean())


METHOD = Method[DAMAConfig, DAMAState](
    name="dama",
    config=DAMAConfig,
    loss=loss,
    init_state=lambda config: DAMAState(gap_mean=torch.zeros(())),
    source="Lu et al. 2025, arXiv:2502.01943; injadlu/DAMA@d60515f",
    columns=frozenset({"clip_gap"}),
    batch_problem=batch_problem,
)
