"""What tells one family of vision-language models from another.

Everything else, from the packed step to the answers, asks the family of a checkpoint. A new family
is one file with a subclass of `Family`, a line in `harness.models.catalog`, and its template.
"""

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from harness.errors import DataError
from harness.models.catalog import FAMILIES


class TrainedParts(NamedTuple):
    """The modules that training changes; everything else is frozen."""

    projector: nn.Module
    """Maps image features to the width of the language model."""
    language_model: Any
    """The decoder without its head, as transformers writes it."""
    head: nn.Linear


class Family(ABC):
    """How models of one kind are loaded, cut in parts and fed. It holds no state."""

    name: ClassVar[str]
    """`model_type` in config.json."""
    weight_names: ClassVar[Mapping[str, str]]
    """Prefixes of the weights in `Policy` and in the published checkpoint."""

    @abstractmethod
    def load_model(self, folder: Path, dtype: torch.dtype) -> Any:
        """Load the whole model on the CPU, as transformers does."""

    def load_processor(self, folder: Path) -> Any:
        """Load what knows tokenizer and image token."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(folder)

    @abstractmethod
    def load_image_processor(self, folder: Path) -> Any:
        """Load what knows size and normalisation of images, in its PIL version."""

    @abstractmethod
    def image_tokens(self, config: Any, image_processor: Any) -> int:
        """Return how many positions every image takes in a sequence."""

    @abstractmethod
    def tower(self, model: Any) -> Any:
        """Return the image encoder, which is frozen."""

    @abstractmethod
    def features(
        self, tower: Any, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> Float[Tensor, "images tokens d"]:
        """Return what the projector reads of normalised images."""

    @abstractmethod
    def trained(self, model: Any) -> TrainedParts:
        """Return the other parts."""

    @abstractmethod
    def image_inputs(
        self, config: Any, images: Float[Tensor, "images 3 side side"]
    ) -> tuple[Tensor, ...]:
        """Return what the model's own `get_image_features` takes."""

    def positions(
        self,
        counts: Int[Tensor, "*rows positions"],
        at_image: Bool[Tensor, "*rows positions"],
        image_tokens: int,
    ) -> Int[Tensor, "..."]:
        """Return position ids, by default `counts` itself.

        Args:
            counts: Tokens before each position in its own sequence.
            at_image: Where image features stand; they begin at one count in all sequences of a
                row, because the text before them is the template's.
            image_tokens: Positions of one image.
        """
        return counts

    def checkpoint_name(self, name: str) -> str:
        """Return the name that a weight of `Policy` has in the published checkpoint."""
        for ours, theirs in self.weight_names.items():
            if name.startswith(ours):
                return theirs + name.removeprefix(ours)
        return name


def load_family(folder: Path) -> Family:
    """Return the family of a checkpoint; nothing of the model is loaded.

    Raises:
        DataError: There is no config.json, or it is of an unknown kind.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder}: not a model in the Hugging Face format ({error}). It needs config.json, "
            "safetensors weights, tokenizer and processor."
        ) from error
    return family_named(str(config.get("model_type")), file)


def family_of(model: Any) -> Family:
    """Return the family of a loaded model."""
    return family_named(str(model.config.model_type), type(model).__name__)


def family_named(name: str, where: object) -> Family:
    """Return the family with this `model_type`; `where` tells the reader of the error.

    Raises:
        DataError: There is none.
    """
    if name not in FAMILIES:
        raise DataError(
            f"{where}: models of the type {name!r} are not supported, only "
            f"{', '.join(FAMILIES)}. Set model.path to one of those."
        )
    module, _, attribute = FAMILIES[name].target.partition(":")
    family: Family = getattr(importlib.import_module(module), attribute)()
    return family
