"""LLaVA as the training step sees it: a frozen vision tower and a trained rest."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from harness.data.batch import PairTokens, ResponseMasks
from harness.data.packing import PackedRow
from harness.training.attention import NAME as SEGMENT_ATTENTION

_HEAD_ROWS = 2048
_NAMES = {
    "projector.": "model.multi_modal_projector.",
    "language_model.": "model.language_model.",
    "head.": "lm_head.",
}


class TokenLogps(NamedTuple):
    """Log-probabilities of the response tokens in nats, zero outside the masks."""

    chosen: Float[Tensor, "pairs tokens"]
    rejected: Float[Tensor, "pairs tokens"]


class VisionTower:
    """The frozen image encoder. It stays out of the engine, which would cut its weights up."""

    def __init__(self, llava: Any, device: torch.device) -> None:
        self._tower = llava.model.vision_tower.requires_grad_(False).eval().to(device)
        self._layer: int = llava.config.vision_feature_layer
        self._drop_class_token = llava.config.vision_feature_select_strategy == "default"

    @torch.no_grad()
    def features(self, images: Float[Tensor, "images 3 h w"]) -> Float[Tensor, "images patches d"]:
        """Encode distinct images; the projector, which is trained, comes after."""
        hidden: Tensor = self._tower(
            images.to(self._tower.dtype), output_hidden_states=True, return_dict=True
        ).hidden_states[self._layer]
        return hidden[:, 1:] if self._drop_class_token else hidden


class LogpsHead(nn.Module):
    """The language-model head, which returns log-probabilities of given tokens.

    Under ZeRO-3 a weight is whole only inside its own module's forward, so the head cannot be a
    function that reads `lm_head.weight`.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = linear.weight

    def forward(
        self, hidden: Float[Tensor, "tokens d"], targets: Float[Tensor, " tokens"]
    ) -> Float[Tensor, " tokens"]:
        """Return float32 log-probabilities.

        The logits are float32 also in bfloat16 runs: their rounding alone would be as large as
        early reward gaps. They exist for one chunk of tokens at a time.
        """
        if hidden.shape[0] <= _HEAD_ROWS:
            return self._logps(hidden, targets)
        chunks = zip(torch.split(hidden, _HEAD_ROWS), torch.split(targets, _HEAD_ROWS), strict=True)
        return torch.cat(
            [checkpoint(self._logps, rows, ids, use_reentrant=False) for rows, ids in chunks]
        )

    def _logps(self, hidden: Tensor, targets: Tensor) -> Tensor:
        logits = F.linear(hidden.float(), self.weight.float())
        return -F.cross_entropy(logits, targets, reduction="none")


class Policy(nn.Module):
    """Projector, language model and head: everything that is trained."""

    def __init__(self, llava: Any) -> None:
        super().__init__()
        self.projector = llava.model.multi_modal_projector
        self.language_model = llava.model.language_model
        self.language_model.config._attn_implementation = SEGMENT_ATTENTION
        self.head = LogpsHead(llava.lm_head)

    def forward(self, batch: PairTokens, features: Float[Tensor, "images patches d"]) -> TokenLogps:
        """Return the log-probability of every response token of the batch."""
        row = batch.packed
        hidden = self.language_model(
            inputs_embeds=self._embedded(row, features).unsqueeze(0),
            position_ids=row.position_ids.unsqueeze(0),
            use_cache=False,
            packed_row=row,
        ).last_hidden_state[0]
        logps = self.head(hidden.index_select(0, row.predicting), row.targets)
        return TokenLogps(_placed(logps, batch.chosen), _placed(logps, batch.rejected))

    def _embedded(self, row: PackedRow, features: Tensor) -> Float[Tensor, "positions d"]:
        embedded = self.language_model.embed_tokens(row.input_ids.clamp(min=0))
        projected = self.projector(features).flatten(0, 1).to(embedded.dtype)
        at_image = row.input_ids < 0
        slots = -1 - row.input_ids[at_image]
        whole: Tensor = embedded.masked_scatter(
            at_image.unsqueeze(-1), projected.index_select(0, slots)
        )
        return whole


def checkpoint_names(name: str) -> str:
    """Return the name that a weight of `Policy` has in the published checkpoint."""
    for ours, theirs in _NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def _placed(logps: Tensor, side: ResponseMasks) -> Float[Tensor, "pairs tokens"]:
    found = logps.index_select(0, side.places.flatten()).view(side.places.shape)
    return torch.where(side.mask, found, 0.0)
