"""The base model on disk: load it, name its content, and write the trained one."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from harness.data.preferences import file_digest
from harness.errors import DataError
from harness.spec import ModelSpec
from harness.training.policy import checkpoint_names


class BaseModel(NamedTuple):
    """A LLaVA in the Hugging Face format with what reads its inputs."""

    llava: Any
    processor: Any
    image_tokens: int
    """Positions that one image takes in a sequence."""


def model_folder(model: ModelSpec) -> Path:
    """Return the local folder of the base model; fetch it from the hub when it has none."""
    if Path(model.path).is_dir():
        return Path(model.path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model.path, revision=model.revision))
    except (OSError, ValueError, HFValidationError) as error:
        raise DataError(
            f"{model.path}: no such model folder, and the hub did not give it ({error}). Set "
            "model.path to a LLaVA in the Hugging Face format."
        ) from error


def load_base(folder: Path, dtype: torch.dtype) -> BaseModel:
    """Load model and processor on the CPU.

    Raises:
        DataError: The folder holds something else.
    """
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    try:
        llava = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype)
        processor = AutoProcessor.from_pretrained(folder, backend="pil")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder}: not a LLaVA in the Hugging Face format ({error}). It needs config.json, "
            "safetensors weights, tokenizer and processor."
        ) from error
    return BaseModel(llava, processor, _image_tokens(llava.config))


def model_digest(folder: Path) -> str:
    """Hash the content of the weights, the configuration and the tokenizer."""
    files = [*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.model")]
    if not any(file.suffix == ".safetensors" for file in files):
        raise DataError(f"{folder}: no safetensors weights. Convert the model to safetensors.")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + bytes.fromhex(file_digest(file)))
    return digest.hexdigest()[:16]


def write_model(base: Path, weights: dict[str, Tensor], dtype: torch.dtype, target: Path) -> None:
    """Write the trained model beside its processor; `target` appears complete or not at all."""
    model = load_base(base, dtype)
    missing = model.llava.load_state_dict(
        {checkpoint_names(name): weight for name, weight in weights.items()}, strict=False
    )
    if missing.unexpected_keys:
        raise DataError(
            f"{base}: trained weights {missing.unexpected_keys[:3]} have no place in it."
        )
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.llava.save_pretrained(partial)
    model.processor.save_pretrained(partial)
    sync(*partial.iterdir(), partial)
    partial.rename(target)
    sync(target.parent)


def sync(*paths: Path) -> None:
    """Force files, or the list of names in folders, to the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _image_tokens(config: Any) -> int:
    vision = config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    return int(patches + (config.vision_feature_select_strategy == "full"))
