"""A checkpoint that answers questions about images, in batches."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoTokenizer

from harness.data.images import open_image
from harness.data.templates import TEMPLATES, Template
from harness.data.transforms import ImageTransform
from harness.errors import DataError
from harness.evaluation.generation.penalty import PromptRepetitionPenalty
from harness.models.catalog import check_template
from harness.models.family import load_family
from harness.models.sources import content_hash
from harness.registry import find

ImageMode = Literal["center_crop", "pad"]


@dataclass(frozen=True)
class Question:
    """One question, and where its image is or the encoded image itself."""

    text: str
    image: Path | bytes


class Llava:
    """A checkpoint with its prompt and image transform, ready to answer.

    On a GPU the weights are float16, as the published LLaVA evaluation scripts load them; on a CPU
    they are float32.

    Args:
        folder: A checkpoint in the Hugging Face format, of any family in harness.models.
        template: Name of the conversation template.
        transform: Name of the image transform.
        device: Where to compute.
    """

    def __init__(
        self, folder: Path, template: str, transform: ImageMode, device: torch.device
    ) -> None:
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        self.family = load_family(folder)
        model = self.family.load_model(folder, dtype)
        # Some checkpoints bring a penalty of their own; how to decode is for the protocol to say.
        model.generation_config.repetition_penalty = 1.0
        self.model = model.to(device).eval()
        self.device = device
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._processor = self.family.load_image_processor(folder)
        self.image_tokens = self.family.image_tokens(model.config, self._processor)
        self.identity = {
            "checkpoint": content_hash(folder),
            "dtype": str(dtype).removeprefix("torch."),
        }
        self._ask_with(template, transform)

    def asked_with(self, template: str, transform: ImageMode) -> Self:
        """Return the same model, its weights shared, with another template and transform."""
        other = copy.copy(self)
        other._ask_with(template, transform)
        return other

    def _ask_with(self, template: str, transform: ImageMode) -> None:
        self.template: Template = find(template, TEMPLATES, "template")
        check_template(self.family.name, template)
        self._end_id = self.template.end_id(self.tokenizer)
        self.transform = ImageTransform(self._processor, transform)
        self.identity = self.identity | {"template": template, "transform": transform}

    def prompt(self, question: str) -> str:
        """Return the whole prompt with one image token per image feature."""
        token = self.template.image_token
        return self.template.prompt(question).replace(token, token * self.image_tokens, 1)

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question], decoding: Mapping[str, Any]) -> list[str]:
        """Answer a batch; `decoding` goes to `generate`. Every image is encoded once.

        Raises:
            DataError: An image is missing or damaged.
            Exception: Whatever the model raises; a failure is never an empty answer.
        """
        prompts = self.token_ids([question.text for question in questions])
        ids, mask = self.left_padded(prompts)
        features = self.image_features([question.image for question in questions])
        settings = dict(decoding)
        penalty = settings.pop("repetition_penalty", None)
        answers = self.generate(
            inputs_embeds=self.embed(ids, features),
            attention_mask=mask,
            position_ids=self.positions(ids, mask),
            logits_processor=[PromptRepetitionPenalty(penalty, ids, mask)] if penalty else [],
            **settings,
        )
        return self.texts(answers)

    def token_ids(self, questions: Sequence[str]) -> list[list[int]]:
        """Return the tokens of the whole prompt of every question."""
        prompts = [self.prompt(question) for question in questions]
        ids: list[list[int]] = self.tokenizer(prompts, return_token_type_ids=False)["input_ids"]
        return ids

    def left_padded(
        self, rows: Sequence[Sequence[int]]
    ) -> tuple[Int[Tensor, "rows tokens"], Int[Tensor, "rows tokens"]]:
        """Return rows filled up on the left to one length, and which tokens are their own."""
        length = max(map(len, rows))
        gaps = [length - len(row) for row in rows]
        filled = [[self._pad_id] * gap + [*row] for gap, row in zip(gaps, rows, strict=True)]
        own = [[0] * gap + [1] * (length - gap) for gap in gaps]
        return torch.tensor(filled, device=self.device), torch.tensor(own, device=self.device)

    def generate(self, **inputs: Any) -> Int[Tensor, "rows tokens"]:
        """Call the model's own `generate`."""
        ids: Tensor = self.model.generate(
            pad_token_id=self._pad_id, eos_token_id=self._end_id, **inputs
        )
        return ids

    def texts(self, ids: Int[Tensor, "rows tokens"]) -> list[str]:
        """Return generated tokens as answers."""
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def image_features(
        self, images: Sequence[Path | bytes]
    ) -> Float[Tensor, "images tokens hidden"]:
        """Encode each distinct image once and repeat its features for every question about it."""
        places = {image: place for place, image in enumerate(dict.fromkeys(images))}
        pixels = torch.stack([self.transform(open_image(image)) for image in places])
        inputs = self.family.image_inputs(
            self.model.config, pixels.to(self.device, self.model.dtype)
        )
        encoded = self.model.get_image_features(*inputs)
        return torch.stack(list(encoded.pooler_output))[[places[image] for image in images]]

    def embed(
        self, ids: Int[Tensor, "rows tokens"], features: Float[Tensor, "rows image_tokens hidden"]
    ) -> Float[Tensor, "rows tokens hidden"]:
        """Put the image features in the place of the image tokens."""
        embedded: Tensor = self.model.get_input_embeddings()(ids)
        is_image = ids == self.model.config.image_token_id
        counts = is_image.sum(dim=1).tolist()
        if any(count != self.image_tokens for count in counts):
            raise DataError(
                f"a prompt holds {max(counts)} image tokens instead of {self.image_tokens}: a "
                "question contains the text of the image token. Remove it from the question."
            )
        return embedded.masked_scatter(is_image.unsqueeze(-1), features.to(embedded.dtype))

    def positions(
        self, ids: Int[Tensor, "rows tokens"], mask: Int[Tensor, "rows tokens"]
    ) -> Int[Tensor, "..."]:
        """Return the position ids of rows; padding stands at 0."""
        counts = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)
        return self.family.positions(
            counts, ids == self.model.config.image_token_id, self.image_tokens
        )

    @property
    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)
