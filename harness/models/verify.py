"""Whether a checkpoint folder is whole and fits its own configuration, without loading it.

Nothing here imports torch or transformers, so that a dry run answers at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.models.catalog import FAMILIES
from harness.models.headers import read_weights
from harness.models.original.layout import is_original, original_problems
from harness.models.reading import object_problems, read_object, tokenizer_problems
from harness.models.weight_shapes import section, weight_problems

_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def check_model(folder: Path, name: str | None = None) -> list[str]:
    """Return everything that is wrong with a checkpoint; an empty list when it can be loaded.

    Args:
        folder: A model in the Hugging Face layout, or in the layout of liuhaotian/llava-v1.5-7b.
        name: What to fetch again, `owner/name`, where the folder came from the hub.
    """
    if not folder.is_dir():
        return [f"{folder}: there is no such folder."]
    config, problem = read_object(folder / "config.json")
    if config is None:
        problems = [problem]
    elif is_original(config):
        problems = list(original_problems(folder, config))
    elif (kind := config.get("model_type")) not in FAMILIES:
        return [
            f"{folder / 'config.json'}: model_type {kind!r} is not known here. Set model.path to "
            f"a model of {' or '.join(FAMILIES)}, or to one like liuhaotian/llava-v1.5-7b."
        ]
    else:
        problems = [*_weights(folder, config), *_readers(folder, config)]
    if problems:
        problems += _interrupted(folder)
    again = f"hf download {name}" if name else f"hf download OWNER/NAME --local-dir {folder}"
    cure = f"Remove what is damaged or of another model, and fetch again: {again}"
    return [f"{problem}. {cure}" for problem in problems]


def _weights(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    weights = read_weights(folder)
    if not weights.files and any(folder.glob("*.bin")):
        # A pickle can run code when it is read; only the original layout is read from one.
        yield (
            f"{folder}: the weights are pickles (*.bin), which are not read here; a copy of the "
            "model with safetensors is needed"
        )
        return
    yield from weights.problems
    if not weights.problems:
        for problem in weight_problems(config, weights.shapes):
            yield f"{folder}: {problem}"


def _readers(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Check what reads text and images."""
    yield from tokenizer_problems(folder, _TOKENIZERS)
    table, _ = read_object(folder / "tokenizer.json")
    rows = section(config, "text_config").get("vocab_size", config.get("vocab_size"))
    if table is not None and isinstance(rows, int) and (largest := _largest_id(table)) >= rows:
        yield (
            f"{folder / 'tokenizer.json'}: it has a token {largest}, and config.json has "
            f"{rows} rows of embeddings"
        )
    there = [folder / name for name in _PROCESSORS if (folder / name).exists()]
    if not there:
        yield f"{folder}: neither {' nor '.join(_PROCESSORS)} is there"
    for file in there:
        yield from object_problems(file)


def _largest_id(table: Mapping[str, Any]) -> int:
    vocabulary = section(table, "model").get("vocab")
    # A unigram vocabulary is a list whose places are the ids.
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else []
    ids += [len(vocabulary) - 1] if isinstance(vocabulary, list) else []
    added = table.get("added_tokens")
    ids += [token.get("id") for token in added if isinstance(token, dict)] if added else []
    return max((one for one in ids if isinstance(one, int)), default=-1)


def _interrupted(folder: Path) -> Iterator[str]:
    places = (folder, folder / ".cache" / "huggingface" / "download")
    parts = [file for place in places for file in sorted(place.glob("*.incomplete"))]
    if parts:
        yield f"{parts[0]}: a download was cut off; {len(parts)} of its files are incomplete"
