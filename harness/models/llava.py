"""LLaVA-1.5: a CLIP tower, a projector of two layers, and a Llama."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.models.family import Family, TrainedParts


class Llava(Family):
    """`LlavaForConditionalGeneration` of transformers; projector, decoder and head are trained."""

    name = "llava"
    weight_names = {  # noqa: RUF012 (declared as a ClassVar in the base)
        "projector.": "model.multi_modal_projector.",
        "language_model.": "model.language_model.",
        "head.": "lm_head.",
    }

    def load_model(self, folder: Path, dtype: torch.dtype) -> Any:
        """Load the whole model on the CPU."""
        from transformers import LlavaForConditionalGeneration

        return LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype)

    def load_processor(self, folder: Path) -> Any:
        """Load the processor with PIL's arithmetic on images."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(folder, backend="pil")

    def load_image_processor(self, folder: Path) -> Any:
        """Load CLIP's image processor."""
        from transformers import CLIPImageProcessorPil

        return CLIPImageProcessorPil.from_pretrained(folder)

    def image_tokens(self, config: Any, image_processor: Any) -> int:
        """Return the number of patches, and one more where the class token is kept."""
        vision = config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2
        return int(patches + (config.vision_feature_select_strategy == "full"))

    def tower(self, model: Any) -> Any:
        """Return the CLIP tower."""
        return model.model.vision_tower

    def features(
        self, tower: Any, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> Float[Tensor, "images tokens d"]:
        """Return the hidden states of the layer that the projector reads."""
        hidden: Tensor = tower(
            images.to(tower.dtype), output_hidden_states=True, return_dict=True
        ).hidden_states[config.vision_feature_layer]
        return hidden[:, 1:] if config.vision_feature_select_strategy == "default" else hidden

    def trained(self, model: Any) -> TrainedParts:
        """Return projector, Llama and head."""
        inner = model.model
        return TrainedParts(inner.multi_modal_projector, inner.language_model, model.lm_head)

    def image_inputs(
        self, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> tuple[Tensor, ...]:
        """Return the images as they are."""
        return (images,)
