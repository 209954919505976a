"""Questions about one image: system text and image go through the model once for all of them.

With 576 image tokens before a question of ten, nearly all the work of a short answer is the prefix
that it shares with the other questions about its image.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from harness.errors import DataError
from harness.evaluation.generation.answerer import Llava, Question

Layers = list[tuple[Tensor, Tensor]]
"""Keys and values of one image, layer by layer; each [1, heads, tokens, head size]."""


class SharedPrefix:
    """Answers batches of questions from one prefix per image.

    The prefix is the prompt up to and including the image. The last image of a batch is kept, so
    that its questions may continue in the next one.

    Args:
        llava: The checkpoint.
    """

    def __init__(self, llava: Llava) -> None:
        self._llava = llava
        self._kept: tuple[tuple[int, ...], Path | bytes, Layers] | None = None

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question], decoding: Mapping[str, Any]) -> list[str]:
        """Answer a batch as `Llava.answer` does; `decoding` must be greedy.

        Answers equal those of the plain way up to the rounding of sums in another order.

        Raises:
            DataError: An image is missing or damaged, or a question holds the image token.
        """
        prompts = self._llava.token_ids([question.text for question in questions])
        prefix = self._prefix(prompts)
        images = [question.image for question in questions]
        cache = self._cache(prefix, images)
        ids, mask = self._llava.left_padded([prompt[len(prefix) :] for prompt in prompts])
        start = torch.tensor([prefix] * len(prompts), device=ids.device)
        # Padding stands between prefix and question; positions count the tokens of the mask.
        whole = torch.cat([start, ids], dim=1)
        own = torch.cat([torch.ones_like(start), mask], dim=1)
        answers = self._llava.generate(
            input_ids=whole,
            attention_mask=own,
            position_ids=self._llava.positions(whole, own),
            past_key_values=cache,
            **decoding,
        )
        return self._llava.texts(answers[:, whole.shape[1] :])

    def _prefix(self, prompts: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """Return the tokens up to the image's last one, which the template makes equal in all."""
        image = self._llava.model.config.image_token_id
        first = prompts[0].index(image)
        prefix = tuple(prompts[0][: first + self._llava.image_tokens])
        for prompt in prompts:
            if tuple(prompt[: len(prefix)]) != prefix or image in prompt[len(prefix) :]:
                raise DataError(
                    f"a prompt holds {prompt.count(image)} image tokens instead of "
                    f"{self._llava.image_tokens}: a question contains the text of the image token. "
                    "Remove it from the question."
                )
        return prefix

    def _cache(self, prefix: tuple[int, ...], images: Sequence[Path | bytes]) -> DynamicCache:
        """Return keys and values of the prefix for every row."""
        known = {self._kept[1]: self._kept[2]} if self._kept and self._kept[0] == prefix else {}
        wanted = dict.fromkeys(images)
        known |= self._computed(prefix, [image for image in wanted if image not in known])
        self._kept = (prefix, images[-1], [(k.clone(), v.clone()) for k, v in known[images[-1]]])
        cache = DynamicCache()
        for place, layer in enumerate(zip(*(known[image] for image in images), strict=True)):
            keys, values = (torch.cat(rows) for rows in zip(*layer, strict=True))
            cache.update(keys, values, place)
        return cache

    def _computed(
        self, prefix: tuple[int, ...], images: Sequence[Path | bytes]
    ) -> dict[Path | bytes, Layers]:
        """Run the prefix of every image through the language model."""
        if not images:
            return {}
        ids = torch.tensor([prefix] * len(images), device=self._llava.device)
        embedded = self._llava.embed(ids, self._llava.image_features(images))
        language_model = self._llava.family.trained(self._llava.model).language_model
        cache = language_model(
            inputs_embeds=embedded,
            position_ids=self._llava.positions(ids, torch.ones_like(ids)),
            use_cache=True,
        ).past_key_values
        return {
            image: [
                (layer.keys[row : row + 1], layer.values[row : row + 1]) for layer in cache.layers
            ]
            for row, image in enumerate(images)
        }
