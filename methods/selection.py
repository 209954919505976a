"""Pairs drawn from a batch by the spread of its reward gaps, as several methods do."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import AfterValidator, Field
from torch import Tensor

from methods.dama import SELECTIONS
from methods.types import MethodConfig


def _known(name: str) -> str:
    if name not in SELECTIONS:
        raise ValueError(f"unknown selection {name!r}; choose one of {', '.join(SELECTIONS)}")
    return name


class DrawingConfig(MethodConfig):
    """Hyper-parameters of a method that draws pairs."""

    keep: float = Field(
        default=0.8, gt=0, le=1, description="Share of the batch that is drawn, rounded down."
    )
    selection: Annotated[str, AfterValidator(_known)] = Field(
        default="gaussian_draw", description="Rule of methods.dama.SELECTIONS that draws."
    )


def drawn_mask(
    gaps: Float[Tensor, " all_pairs"],
    centre: Float[Tensor, ""],
    spread: Float[Tensor, ""],
    config: DrawingConfig,
    rng: torch.Generator,
) -> Float[Tensor, " all_pairs"]:
    """Return one for a drawn pair, zero for the others; `spread` is the Gaussian's deviation.

    Where it is zero, as in a first step from the reference, all pairs are as likely.
    """
    count = int(len(gaps) * config.keep)
    drawn = SELECTIONS[config.selection](gaps / spread, centre / spread, count, rng)
    return torch.zeros_like(gaps).index_fill_(0, drawn, 1.0)


def too_small_to_draw(config: DrawingConfig, pairs: int) -> str | None:
    """Say so where a batch has no deviation, or where no pair would be drawn."""
    if pairs > 1 and int(pairs * config.keep):
        return None
    return (
        f"keep={config.keep:g} of a batch of {pairs} leaves no pair, or the batch has a single one "
        "and no deviation. Raise training.batch_pairs, or keep all: --set method.keep=1.0"
    )
