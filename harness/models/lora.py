"""LoRA: low-rank additions to the language model's linear layers, through peft.

What is trained are the additions and the projector, as in LLaVA-1.5's own LoRA recipe; embeddings,
norms and head stay those of the base model, so that the base model is the policy with additions of
zero. Differences from that recipe: no dropout, and one learning rate for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from harness.errors import ConfigError
from harness.settings.spec import ModelSpec

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of attention and MLP in every decoder layer."""

_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"
"""How peft names the two factors beside a layer's weight."""


@dataclass(frozen=True)
class Lora:
    """The additions of a run: weight + alpha / rank * B A, where B begins as zero."""

    rank: int
    alpha: float

    @classmethod
    def of(cls, model: ModelSpec) -> Self | None:
        """Return the additions that a model asks for, or None when it is trained whole."""
        return cls(model.lora_rank, model.lora_alpha) if model.lora_rank else None

    def add_to(self, language_model: Any) -> None:
        """Freeze all weights and put trained additions beside those of the targets.

        Raises:
            ConfigError: peft is not installed.
        """
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise ConfigError(
                f"model.lora_rank needs the package peft ({error}). Install it: uv pip install peft"
            ) from error
        scale: Any = self.alpha  # peft takes fractions too, and says otherwise
        config = LoraConfig(
            r=self.rank, lora_alpha=scale, lora_dropout=0.0, target_modules=list(TARGETS)
        )
        inject_adapter_in_model(config, language_model)

    def merged(
        self, trained: Mapping[str, Tensor], base: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return trained weights with every addition as a part of its layer's weight.

        Sums are made in float32 and rounded once, to the type of the base.

        Args:
            trained: Weights of a policy with additions.
            base: Weights of the model without, by the same names.
        """
        whole = {name: w for name, w in trained.items() if not name.endswith((_DOWN, _UP))}
        for layer in (name.removesuffix(_DOWN) for name in trained if name.endswith(_DOWN)):
            addition = trained[f"{layer}{_UP}"].float() @ trained[f"{layer}{_DOWN}"].float()
            weight = base[f"{layer}.weight"]
            total = weight.float() + self.alpha / self.rank * addition
            whole[f"{layer}.weight"] = total.to(weight.dtype)
        return whole
