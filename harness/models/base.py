"""The base model on disk: load it, name its content, and write the trained one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.errors import DataError
from harness.files.atomic import written
from harness.files.digests import content_digest, text_digest
from harness.models.family import family_of, load_family
from harness.models.lora import Lora


class BaseModel(NamedTuple):
    """A model in the Hugging Face format with what reads its inputs."""

    model: Any
    processor: Any
    image_tokens: int
    """Positions that one image takes in a sequence."""


class InputReader(NamedTuple):
    """What reads a model's inputs."""

    processor: Any
    image_tokens: int
    """Positions that one image takes in a sequence."""


def load_reader(folder: Path) -> InputReader:
    """Load the processor alone, without weights.

    Raises:
        DataError: The folder holds something else.
    """
    from transformers import AutoConfig

    family = load_family(folder)
    try:
        processor = family.load_processor(folder)
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(_no_model(folder, family.name, error)) from error
    return InputReader(processor, family.image_tokens(config, processor.image_processor))


def load_base(folder: Path, dtype: torch.dtype) -> BaseModel:
    """Load model and processor on the CPU.

    Raises:
        DataError: The folder holds something else.
    """
    family = load_family(folder)
    try:
        model = family.load_model(folder, dtype)
        processor = family.load_processor(folder)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(_no_model(folder, family.name, error)) from error
    tokens = family.image_tokens(model.config, processor.image_processor)
    return BaseModel(model, processor, tokens)


def _no_model(folder: Path, family: str, error: Exception) -> str:
    return (
        f"{folder}: not a {family} model in the Hugging Face format ({error}). It needs "
        "config.json, safetensors weights, tokenizer and processor."
    )


def model_digest(folder: Path) -> str:
    """Hash the content of the weights, the configuration and the tokenizer.

    It is remembered as long as no file changes: the weights are gigabytes.
    """
    files = [*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.model")]
    if not any(file.suffix == ".safetensors" for file in files):
        raise DataError(f"{folder}: no safetensors weights. Convert the model to safetensors.")
    names = "\0".join(file.name for file in sorted(files))
    content = content_digest(lambda: sorted(files))
    return text_digest(f"{names}\0{content}", digits=16)


def write_model(
    base: Path,
    weights: Mapping[str, Tensor],
    dtype: torch.dtype,
    target: Path,
    lora: Lora | None = None,
    adapter: Path | None = None,
) -> None:
    """Write the trained model beside its processor; `target` appears complete or not at all.

    LoRA's additions are merged, so that the folder is a plain model like the base.

    Args:
        base: Folder of the model that was trained.
        weights: What was trained of the policy.
        dtype: Of the weights on disk.
        target: The folder to write.
        lora: How the policy was trained in part.
        adapter: The folder to write LoRA's part alone into, before.
    """
    model, processor, _ = load_base(base, dtype)
    family = family_of(model)
    trained = {family.checkpoint_name(name): weight for name, weight in weights.items()}
    if lora:
        if adapter:
            lora.write_adapter(trained, adapter)
        trained = lora.merged(trained, model.state_dict())
    missing = model.load_state_dict(trained, strict=False)
    if missing.unexpected_keys:
        raise DataError(
            f"{base}: trained weights {missing.unexpected_keys[:3]} have no place in it."
        )
    with written(target, one_writer=True) as partial:
        model.save_pretrained(partial)
        processor.save_pretrained(partial)
