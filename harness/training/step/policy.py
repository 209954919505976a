"""A model as the training step sees it: a frozen vision tower and a rest that is trained."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.data.rows.packing import PackedRow
from harness.models.family import family_of
from harness.models.lora import Lora
from harness.training.kernels.choose import EVERYWHERE, Kernels, fuse
from harness.training.step.last_layer import shorten_last_layer
from methods.types import Statistic

_HEAD_ROWS = 2048
_STATISTICS_ROWS = 128
"""Tokens whose distributions over all words exist once more while their statistics are taken."""
_DIVERGENCE_ROWS = 256
"""Tokens whose distributions exist twice and several times over where they are compared."""


class TokenLogps(NamedTuple):
    """Log-probabilities of the response tokens in nats, zero outside the masks."""

    chosen: Float[Tensor, "pairs tokens"]
    rejected: Float[Tensor, "pairs tokens"]
    statistics: tuple[Tensor, ...] = ()
    """What is asked for, by name, of the chosen responses and then of the rejected ones; without
    gradient, and ids of words as int64."""
    views: tuple[Tensor, ...] = ()
    """Of each view of the batch, in its order."""
    divergence: tuple[Tensor, ...] = ()
    """KL(reference || policy) of both sides where it is asked for, with gradient."""

    @property
    def differentiable(self) -> tuple[Tensor, ...]:
        """What a loss may carry a gradient back to."""
        return (self.chosen, self.rejected, *self.views, *self.divergence)


class VisionTower:
    """The frozen image encoder. It stays out of the engine, which would cut its weights up."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._family = family_of(model)
        self._config = model.config
        self._tower = self._family.tower(model).requires_grad_(False).eval().to(device)

    @torch.no_grad()
    def features(self, images: Float[Tensor, "images 3 h w"]) -> Float[Tensor, "images tokens d"]:
        """Encode distinct images; the projector, which may be trained, comes after."""
        return self._family.features(self._tower, self._config, images)


class LogpsHead(nn.Module):
    """The language-model head, which returns log-probabilities of given tokens.

    Under ZeRO-3 a weight is whole only inside its own module's forward, so the head cannot be a
    function that reads `lm_head.weight`.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight

    def forward(
        self,
        hidden: Float[Tensor, "tokens d"],
        targets: Float[Tensor, " tokens"],
        statistics: Sequence[Statistic] = (),
        reference: Float[Tensor, "tokens d"] | None = None,
        reference_weight: Float[Tensor, "words d"] | None = None,
    ) -> Float[Tensor, "tokens ..."]:
        """Return log-probabilities, at least in float32.

        Beside each stand the statistics, in their order, and with the hidden states and the head of
        a reference its divergence from this model. Ids of words are exact among them: float32 holds
        every whole number to 2^24, and no vocabulary is as large.

        The logits are float32 also in bfloat16 runs: their rounding alone would be as large as
        early reward gaps. They exist for one chunk of tokens at a time.
        """
        size = _HEAD_ROWS if reference is None else _DIVERGENCE_ROWS
        if hidden.shape[0] <= size:
            return self._logps(hidden, targets, statistics, reference, reference_weight)
        theirs = [None] * len(hidden) if reference is None else torch.split(reference, size)
        chunks = zip(torch.split(hidden, size), torch.split(targets, size), theirs, strict=False)
        return torch.cat(
            [
                checkpoint(
                    self._logps, rows, ids, statistics, other, reference_weight, use_reentrant=False
                )
                for rows, ids, other in chunks
            ]
        )

    def _logps(
        self,
        hidden: Tensor,
        targets: Tensor,
        statistics: Sequence[Statistic],
        reference: Tensor | None,
        reference_weight: Tensor | None,
    ) -> Tensor:
        logits = _logits(hidden, self.weight)
        logps = -F.cross_entropy(logits, targets, reduction="none")
        found = [logps, *(_STATISTICS[name](logits) for name in statistics)]
        if reference is not None and reference_weight is not None:
            found.append(_divergence(_logits(reference, reference_weight), logits))
        return torch.stack(found, dim=-1) if len(found) > 1 else logps


class Policy(nn.Module):
    """Projector, language model and head: everything that is trained, whole or by adapters.

    Args:
        model: The whole model, as transformers loads it.
        lora: The adapters to train in place of decoder and head; the projector is always whole.
        used: What computes attention and the decoder's small operations.
    """

    def __init__(self, model: Any, lora: Lora | None = None, used: Kernels = EVERYWHERE) -> None:
        super().__init__()
        self._family = family_of(model)
        self.projector, self.language_model, head = self._family.trained(model)
        self.language_model.config._attn_implementation = used.attention
        fuse(self.language_model, used.decoder)
        self.head = LogpsHead(head)
        shorten_last_layer(self.language_model)
        if lora:
            lora.add_to(self.language_model)
            self.head.requires_grad_(False)

    def forward(
        self,
        batch: PairTokens,
        features: Float[Tensor, "images tokens d"],
        reference: Float[Tensor, "logps d"] | None = None,
        reference_weight: Float[Tensor, "words d"] | None = None,
    ) -> TokenLogps:
        """Return the log-probability of every response token of the batch.

        With the hidden states of a reference and its head, also its divergence from this model.
        """
        return self.logps(batch, self.hidden(batch, features), reference, reference_weight)

    def hidden(
        self, batch: PairTokens, features: Float[Tensor, "images tokens d"]
    ) -> Float[Tensor, "logps d"]:
        """Return what the head reads to predict each response token of the row."""
        row = batch.packed
        positions = self._family.positions(row.position_ids, row.input_ids < 0, features.shape[1])
        hidden = self.language_model(
            inputs_embeds=self._embedded(row, features).unsqueeze(0),
            position_ids=positions.unsqueeze(-2),
            use_cache=False,
            packed_row=row,
        ).last_hidden_state[0]
        found: Tensor = hidden.index_select(0, row.needed_places)
        return found

    def logps(
        self,
        batch: PairTokens,
        hidden: Float[Tensor, "logps d"],
        reference: Float[Tensor, "logps d"] | None = None,
        reference_weight: Float[Tensor, "words d"] | None = None,
    ) -> TokenLogps:
        """Return what `forward` does, of the hidden states."""
        asked = sorted(batch.statistics)
        found = self.head(hidden, batch.packed.targets, asked, reference, reference_weight)
        sides, logps = (batch.chosen, batch.rejected), found[:, 0] if found.dim() > 1 else found
        kept = [
            found[:, i].detach().long() if name == "arg_max" else found[:, i].detach()
            for i, name in enumerate(asked, start=1)
        ]
        compared = reference is not None
        return TokenLogps(
            _placed(logps, sides[0]),
            _placed(logps, sides[1]),
            statistics=tuple(_placed(values, side) for side in sides for values in kept),
            views=tuple(_placed(logps, side) for side in batch.views.values()),
            divergence=tuple(_placed(found[:, -1], side) for side in sides if compared),
        )

    def _embedded(self, row: PackedRow, features: Tensor) -> Float[Tensor, "positions d"]:
        embedded = self.language_model.embed_tokens(row.input_ids.clamp(min=0))
        projected = self.projector(features).flatten(0, 1).to(embedded.dtype)
        whole: Tensor = embedded.index_copy(
            0, row.image_places, projected.index_select(0, row.image_slots)
        )
        if torch.is_grad_enabled() and not whole.requires_grad:
            # Reentrant checkpointing gives a layer gradients only where its input has one.
            whole.requires_grad_()
        return whole


def _logits(hidden: Tensor, weight: Tensor) -> Float[Tensor, "tokens words"]:
    wide = torch.promote_types(hidden.dtype, torch.float32)
    return F.linear(hidden.to(wide), weight.to(wide))


def _divergence(
    reference: Float[Tensor, "tokens words"], policy: Float[Tensor, "tokens words"]
) -> Float[Tensor, " tokens"]:
    """Return KL(reference || policy) over all words, in nats; zero, not NaN, where p is."""
    log_p = reference.log_softmax(dim=-1)
    return (log_p.exp() * (log_p - policy.log_softmax(dim=-1))).sum(dim=-1)


@torch.no_grad()
def _log_sum_p2(logits: Float[Tensor, "tokens words"]) -> Float[Tensor, " tokens"]:
    parts = torch.split(logits, _STATISTICS_ROWS)
    return torch.cat([(2 * part.log_softmax(dim=-1)).logsumexp(dim=-1) for part in parts])


@torch.no_grad()
def _arg_max(logits: Float[Tensor, "tokens words"]) -> Float[Tensor, " tokens"]:
    return logits.argmax(dim=-1).to(logits.dtype)


_STATISTICS: Mapping[Statistic, Callable[[Tensor], Tensor]] = {
    "log_sum_p2": _log_sum_p2,
    "arg_max": _arg_max,
}


def _placed(values: Tensor, side: ResponseMasks) -> Num[Tensor, "pairs tokens"]:
    found = values.index_select(0, side.places.flatten()).view(side.places.shape)
    return torch.where(side.scored, found, 0)
