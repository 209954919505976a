"""LoRA: low-rank additions to the language model's linear layers, through peft.

What is trained are the additions and the projector, as in LLaVA-1.5's own LoRA recipe; embeddings,
norms and head stay those of the base model, so that the base model is the policy with additions of
zero. Differences from that recipe: no dropout, and one learning rate for both.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors.torch import save_file
from torch import Tensor

from harness.errors import ConfigError
from harness.files.atomic import write_text, written
from harness.settings.spec import ModelSpec

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of attention and MLP in every decoder layer."""

_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"
"""How peft names the two factors beside a layer's weight."""
_IN_FILES = "base_model.model."
"""Before every name in peft's files, where `default` is left out."""


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

    def write_adapter(self, trained: Mapping[str, Tensor], target: Path) -> None:
        """Write what was trained as peft's own files; `target` appears complete or not at all.

        `PeftModel.from_pretrained(base, target)` gives the model that `merged` gives, but for one
        rounding. Modules that were trained whole, as the projector, are in it whole.

        Args:
            trained: Weights of a policy with additions, by their names in checkpoints.
            target: The folder to write.
        """
        weights = {
            _IN_FILES + name.replace(".default.", "."): weight.contiguous()
            for name, weight in trained.items()
        }
        layers = {name.removesuffix(_DOWN) for name in trained if name.endswith(_DOWN)}
        whole = {name.rpartition(".")[0] for name in trained if not name.endswith((_DOWN, _UP))}
        config = {
            "peft_type": "LORA",
            "task_type": None,
            "base_model_name_or_path": None,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "inference_mode": True,
            "target_modules": sorted(layers),
            "modules_to_save": sorted(whole) or None,
        }
        if target.exists():  # of a process that was killed before it wrote the model
            shutil.rmtree(target)
        with written(target, one_writer=True) as partial:
            partial.mkdir()
            save_file(weights, partial / "adapter_model.safetensors")
            write_text(partial / "adapter_config.json", json.dumps(config, indent=2) + "\n")
