"""CLIP similarities between images and pieces of text, in float32."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from harness.errors import ConfigError, in_words
from harness.files.digests import file_digest

_BATCH = 64
_REMEMBERED = 4096
_LOCAL = "local-dir:"


class Clip:
    """An open_clip model: `local-dir:FOLDER`, `hf-hub:NAME` or `ARCHITECTURE:WEIGHTS`."""

    def __init__(self, reference: str) -> None:
        import open_clip

        name, weights = split_reference(reference)
        try:
            model, _, self._transform = open_clip.create_model_and_transforms(
                name, pretrained=weights, precision="fp32"
            )
            self._tokenizer = open_clip.get_tokenizer(name)
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"data.hardness.clip {reference}: open_clip cannot load it ({in_words(error)}). "
                "Write local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE:WEIGHTS."
            ) from error
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.eval().requires_grad_(False).to(self._device)
        self._context: int = self._model.context_length
        self._padding = self._tokenizer([""], context_length=2 * self._context)[0, -1]
        # Every text is asked for twice, and the responses of a pair often share sentences.
        self._tokens = lru_cache(_REMEMBERED)(self._tokenize)
        self.scale = float(self._model.logit_scale.exp())
        """Factor between a cosine and a logit."""

    @torch.no_grad()
    def images(self, images: Iterable[Image.Image]) -> Float[Tensor, "images d"]:
        """Return unit vectors of images; one decoded image is held at a time."""
        pixels = [self._transform(image) for image in images]
        return torch.cat(
            [
                F.normalize(self._model.encode_image(torch.stack(batch).to(self._device)), dim=-1)
                for batch in _batches(pixels)
            ]
        ).cpu()

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "texts d"]:
        """Return unit vectors of texts that fit the context."""
        tokens = torch.stack([self._required_tokens(text) for text in texts])
        return torch.cat(
            [
                F.normalize(self._model.encode_text(batch.to(self._device)), dim=-1)
                for batch in torch.split(tokens, _BATCH)
            ]
        ).cpu()

    def fitting(self, texts: Sequence[str]) -> list[str]:
        """Return the texts with those that are longer than the context halved until they fit.

        Halves part at a space, those of a single word inside it: no character but spaces is lost.
        """
        pieces: list[str] = []
        for text in texts:
            fits = self._tokens(text) is not None
            pieces += [text] if fits else self.fitting(_halves(text))
        return pieces

    def _required_tokens(self, text: str) -> Tensor:
        tokens = self._tokens(text)
        if tokens is None:
            raise ValueError(f"{len(text)} characters do not fit the context; use fitting() first")
        return tokens

    def _tokenize(self, text: str) -> Tensor | None:
        """Return the tokens of a text, or None if they are more than the context holds.

        open_clip cuts silently: only more room shows that there was more.
        """
        wide = self._tokenizer([text], context_length=2 * self._context)[0]
        if (wide[self._context :] != self._padding).any():
            return None
        tokens: Tensor = wide[: self._context]
        if tokens[-1] == self._padding:
            return tokens
        # Full to the last place: where padding and end are one token, the end may lie behind it.
        cut = self._tokenizer([text], context_length=self._context)[0]
        return tokens if torch.equal(tokens, cut) else None


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return the model name and the weights' name, which folders and hub models do not have."""
    if reference.startswith((_LOCAL, "hf-hub:")):
        return reference, None
    name, _, weights = reference.partition(":")
    if not weights:
        raise ConfigError(
            f"data.hardness.clip {reference}: which weights? Write ARCHITECTURE:WEIGHTS, for "
            "example ViT-L-14-336-quickgelu:openai, or local-dir:FOLDER."
        )
    return name, weights


def clip_digest(reference: str) -> str:
    """Name the weights: by the content of a folder, else by their published name."""
    if not reference.startswith(_LOCAL):
        return reference
    return folder_digest(Path(reference.removeprefix(_LOCAL)))


def folder_digest(folder: Path) -> str:
    """Name the files of a folder by their content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return " ".join(f"{path.name} {file_digest(path)}" for path in files)


def _halves(text: str) -> tuple[str, str]:
    if len(text) < 2:
        raise ConfigError(
            f"data.hardness.clip: its tokenizer leaves no room for the single character {text!r}. "
            "Choose another open_clip model."
        )
    words = text.split()
    if len(words) < 2:
        return text[: len(text) // 2], text[len(text) // 2 :]
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _batches(values: list[Tensor]) -> list[list[Tensor]]:
    return [values[i : i + _BATCH] for i in range(0, len(values), _BATCH)]
