"""A text model that runs on this machine: which files it is, and what may be said about them."""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import DataError
from harness.files.hub_names import MIRROR, on_hub
from harness.models.headers import read_weights
from harness.models.reading import read_object, tokenizer_problems
from harness.models.sources import content_hash, find
from harness.models.weight_shapes import section

_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
_SHORT = 12
_BILLIONS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)
_BYTES_OF_A_WEIGHT = 2


@dataclass(frozen=True)
class TextModel:
    """A text model in a folder, pinned to what is in it."""

    name: str
    """As on the hub; of a folder its last part."""
    folder: Path
    revision: str
    """The commit on the hub, or a hash of the contents of a folder."""

    @property
    def label(self) -> str:
        """Name and what it is pinned to, as shown."""
        return f"{self.name}@{self.revision[:_SHORT]}"

    @property
    def template(self) -> str | None:
        """The chat template; None where there is none."""
        file = self.folder / "chat_template.jinja"
        if file.is_file():
            return file.read_text("utf-8")
        config, _ = read_object(self.folder / "tokenizer_config.json")
        found = (config or {}).get("chat_template")
        if isinstance(found, list):  # several by name
            found = {one["name"]: one["template"] for one in found}.get("default")
        return found if isinstance(found, str) else None

    @property
    def context(self) -> int | None:
        """Positions that the model was made for; None where its configuration does not say."""
        config, _ = read_object(self.folder / "config.json")
        values = section(config or {}, "text_config")
        found = values.get("max_position_embeddings", (config or {}).get("max_position_embeddings"))
        return found if isinstance(found, int) else None


@lru_cache(maxsize=8)
def find_text_model(words: str) -> TextModel:
    """Return the model of `FOLDER` or `owner/name[@revision]`, fetched where it is not here.

    Raises:
        DataError: It cannot be had, is not whole, or has no chat template; every problem is told.
    """
    path, revision = parsed(words)
    found = find(path, revision)
    if found.origin == "folder":
        path = found.folder.resolve().name
    model = TextModel(path, found.folder, found.revision or content_hash(found.folder))
    config, problem = read_object(model.folder / "config.json")
    problems = [problem] if config is None else []
    weights = read_weights(model.folder)
    problems += [*weights.problems, *tokenizer_problems(model.folder, _TOKENIZERS)]
    if not problems and model.template is None:
        problems.append(
            "it has no chat template, so it was not made to follow instructions. Name a model that "
            "was, such as one whose name ends in -Instruct"
        )
    if problems:
        raise DataError(
            f"{words}: the model cannot be used:" + "".join(f"\n- {p}" for p in problems)
        )
    return model


def parsed(words: str) -> tuple[str, str | None]:
    """Part `MODEL[@REVISION]`; a folder may have an `@` in its name."""
    if Path(words).expanduser().is_dir():
        return words, None
    path, _, revision = words.partition("@")
    return path, revision or None


def weight_bytes(words: str) -> int | None:
    """Return the bytes of a model's weights: of its files, else by the size in its name.

    Nothing is fetched; None where nothing is known before the model is here. `Qwen3-8B` has eight
    billion weights of two bytes each.
    """
    path, _ = parsed(words)
    folder = Path(path).expanduser()
    if not folder.is_dir() and (mirror := os.environ.get(MIRROR)):
        folder = Path(mirror) / path
    if files := [*folder.glob("*.safetensors")]:
        return sum(file.stat().st_size for file in files)
    named = _BILLIONS.findall(path.rpartition("/")[2])
    return int(float(named[0]) * 1e9 * _BYTES_OF_A_WEIGHT) if named else None


def can_be_found(words: str) -> bool:
    """Say whether the words are a folder or have the form of a name on the hub."""
    path, _ = parsed(words)
    return Path(path).expanduser().is_dir() or on_hub(path)
