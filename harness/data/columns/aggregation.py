"""From the cosines of two responses' sub-sentences to one number per pair."""

import torch
from jaxtyping import Float
from torch import Tensor

from harness.settings.spec import HardnessSpec


def response_gap(
    chosen: Float[Tensor, " chosen"],
    rejected: Float[Tensor, " rejected"],
    scale: float,
    hardness: HardnessSpec,
) -> float:
    """Return how much better CLIP matches the chosen response's pieces to the image.

    With `sum_of_cosines` the sum of the chosen response's cosines minus that of the rejected one's;
    with `sum_of_joint_softmax` the same over their shares in one softmax of scale * cosine over all
    of them, so that it lies between -1 and 1; with `mean_of_...` means in place of sums.
    Source: Eq. 3-5 of arXiv:2502.01943, which leave the aggregation open.
    """
    how, _, of = hardness.aggregation.partition("_of_")
    if of == "joint_softmax":
        shares = torch.softmax(scale * torch.cat([chosen, rejected]), dim=0)
        chosen, rejected = torch.split(shares, [len(chosen), len(rejected)])
    if how == "mean":
        return float(chosen.mean() - rejected.mean())
    return float(chosen.sum() - rejected.sum())
