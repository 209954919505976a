"""Repetition penalty over prompt and answer for prompts that enter `generate` as embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LogitsProcessor


class PromptRepetitionPenalty(LogitsProcessor):  # type: ignore[misc]  # skipped by mypy
    """Make the tokens of the prompt and of the answer so far less likely.

    The library's own penalty sees only the answer where the prompt is embedded, and counts padding
    as a word of the prompt where it is not.

    Args:
        penalty: Divides positive scores and multiplies negative ones.
        prompts: Padded prompts.
        mask: Which of their tokens are no padding.
    """

    def __init__(
        self,
        penalty: float,
        prompts: Int[Tensor, "rows tokens"],
        mask: Int[Tensor, "rows tokens"],
    ) -> None:
        self._penalty = penalty
        self._prompts = prompts
        self._mask = mask

    def __call__(
        self, input_ids: Int[Tensor, "beams answer"], scores: Float[Tensor, "beams words"]
    ) -> Float[Tensor, "beams words"]:
        """Return the scores of the next token; `input_ids` holds the answers so far."""
        seen = torch.zeros_like(scores, dtype=torch.int64)
        seen[: len(self._prompts)].scatter_add_(1, self._prompts, self._mask)
        beams = len(scores) // len(self._prompts)
        seen = seen[: len(self._prompts)].repeat_interleave(beams, dim=0)
        seen = seen.scatter_add(1, input_ids, torch.ones_like(input_ids))
        penalised = torch.where(scores < 0, scores * self._penalty, scores / self._penalty)
        return torch.where(seen > 0, penalised, scores)
