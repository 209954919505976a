"""The layout of liuhaotian/llava-v1.5-7b: how it is recognised, named and checked."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.models.headers import INDEX, SINGLE, is_pointer, places_in, read_weights
from harness.models.reading import tokenizer_problems

PICKLE_INDEX = "pytorch_model.bin.index.json"
PICKLE = "pytorch_model.bin"
TOKENIZER = "tokenizer.model"

_PREFIXES: Mapping[str, str] = {
    "model.mm_projector.0.": "multi_modal_projector.linear_1.",
    "model.mm_projector.2.": "multi_modal_projector.linear_2.",
    "model.vision_tower.vision_tower.": "vision_tower.",
    "model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
}
"""The first that fits counts; 1 of the projector is its activation, which has no weights."""

_COMPUTED = re.compile(r".*\.(rotary_emb\.inv_freq|embeddings\.position_ids)")
_NEEDED: Mapping[str, object] = {
    "mm_projector_type": "mlp2x_gelu",
    "mm_use_im_start_end": False,
    "tie_word_embeddings": False,
}
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size")


def is_original(config: Mapping[str, Any]) -> bool:
    """Say whether a config.json is one of the original code, by the tower that it names."""
    return config.get("model_type") in ("llava", "llava_llama") and "mm_vision_tower" in config


def renamed(name: str) -> str | None:
    """Return the name of a weight in the Hugging Face layout; None if it has none there."""
    for original, ours in _PREFIXES.items():
        if name.startswith(original):
            return ours + name.removeprefix(original)
    return None


def computed(name: str) -> bool:
    """Say whether a tensor is a table that the model's code computes by itself."""
    return _COMPUTED.fullmatch(name) is not None


def original_problems(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what would stop a conversion, as far as files and settings tell it."""
    file = folder / "config.json"
    for key, value in _NEEDED.items():
        if config.get(key, value) != value:
            yield f"{file}: {key} is {config[key]!r}, and only {value!r} can be converted"
    for key in _SIZES:
        if not isinstance(config.get(key), int):
            yield f"{file}: {key} is {config.get(key)!r}, not a number"
    if not isinstance(config["mm_vision_tower"], str):
        yield f"{file}: mm_vision_tower is {config['mm_vision_tower']!r}, not the name of a model"
    yield from tokenizer_problems(folder, [(TOKENIZER,)])
    _, problems = weight_files(folder)
    yield from problems


def weight_files(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files of the weights, safetensors if there are any, and what is wrong with them.

    Files that an older code split off, such as `mm_projector.bin`, are not read: the shards hold
    all weights.
    """
    if (folder / INDEX).exists() or (folder / SINGLE).exists():
        weights = read_weights(folder)
        return weights.files, weights.problems
    index, single = folder / PICKLE_INDEX, folder / PICKLE
    if index.exists():
        try:
            files = tuple(sorted(places_in(index)))
        except DataError as error:
            return (), (str(error),)
    elif single.exists():
        files = (single,)
    else:
        return (), (f"{folder}: none of {INDEX}, {SINGLE}, {PICKLE_INDEX}, {PICKLE} is there",)
    return files, tuple(filter(None, map(_pickle_problem, files)))


def _pickle_problem(file: Path) -> str | None:
    """Look at the table at the end of the file, which one that was cut off has lost."""
    if not file.exists():
        return f"{file}: it is not there, and the index names it"
    if is_pointer(file):
        return f"{file}: it is a pointer of git-lfs, not the file itself"
    if not zipfile.is_zipfile(file):
        return f"{file}: it is cut off after {file.stat().st_size:,} bytes, or of an old format"
    return None
