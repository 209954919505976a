"""The released DAMA, and where its running mean starts."""

import torch

from methods.dama import DAMAConfig, DAMAState

RELEASED = DAMAConfig(
    selection="gaussian_draw",
    model_factor="mean_of_sigmoids",
    mean_update="all",
    drop_unselected=True,
    average="per_rank",
    min_beta=1e-3,
    mean_clip_gap=0.0482190464911681,
)


def start(gap_mean=0.0):
    return DAMAState(torch.tensor(gap_mean, dtype=torch.float64))
