"""The lmms-eval adapter of the guard's tasks: every answer is on disk before the next is asked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms

from harness.errors import DataError
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.batching import Asked, batches, batches_by_image, split
from harness.evaluation.generation.prefix import SharedPrefix
from harness.evaluation.guard.journal import GuardJournal
from harness.evaluation.guard.likelihood import likelihoods
from harness.files.digests import digest_of, text_digest

_TOKENS = 1024
"""New tokens where a task states no limit. Source: lmms-eval's own LLaVA."""


class GuardedModel(lmms):  # type: ignore[misc]  # lmms-eval is untyped
    """A checkpoint for one of lmms-eval's own tasks.

    As lmms-eval's own LLaVA it does not look at `until`, and samples where a task's temperature
    is above zero. Unlike it, it turns no failure into an empty answer.

    Args:
        llava: The checkpoint.
        journal: Where its answers go.
        pictures: Folder for pictures that a task hands over decoded.
        batch_size: Requests answered together.
        limit: Most new tokens, below what the task says.
    """

    is_simple = True

    def __init__(
        self,
        llava: Llava,
        journal: GuardJournal,
        pictures: Path,
        batch_size: int,
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self._llava, self._journal, self._pictures = llava, journal, pictures
        self._shared = SharedPrefix(llava)
        self._batch_size, self._limit = batch_size, limit

    def __str__(self) -> str:
        """Checkpoint and prompt, never an address in memory."""
        return ":".join(self._llava.identity.values())

    @property
    def device(self) -> torch.device:
        """Where lmms-eval puts its own counters."""
        return torch.device("cpu")

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """Answer what the journal does not hold yet; return all answers in the order asked."""
        self._journal.expect(len(requests))
        asked = [self._generation(instance, place) for place, instance in enumerate(requests)]
        keys = [_key(one) for one in asked]
        missing = [
            one for one, key in zip(asked, keys, strict=True) if key not in self._journal.answers
        ]
        shared, plain = split(missing, True)
        groups: list[tuple[Any, Llava | SharedPrefix]] = [
            *((batch, self._llava) for batch in batches(plain, self._batch_size)),
            *((batch, self._shared) for batch in batches_by_image(shared, self._batch_size)),
        ]
        for batch, model in groups:
            texts = model.answer([one.question for one in batch], dict(batch[0].decoding))
            self._journal.append(dict(zip(map(_key, batch), texts, strict=True)))
        return [str(self._journal.answers[key]) for key in keys]

    def loglikelihood(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Return mean loss and greediness of every continuation that is asked about.

        Wrapped, because lmms-eval 0.7.3 makes a text of a bare pair, which its scorer cannot read.
        """
        self._journal.expect(len(requests))
        asked = [self._continuation(instance) for instance in requests]
        keys = [digest_of([_picture(one), one.text, more], 16) for one, more in asked]
        missing = {
            key: one
            for key, one in zip(keys, asked, strict=True)
            if key not in self._journal.answers
        }
        left = list(missing.items())
        for start in range(0, len(left), self._batch_size):
            batch = left[start : start + self._batch_size]
            questions = [question for _, (question, _) in batch]
            found = likelihoods(self._llava, questions, [more for _, (_, more) in batch])
            self._journal.append({key: one for (key, _), one in zip(batch, found, strict=True)})
        pairs = (self._journal.answers[key] for key in keys)
        return [GenerationResult((float(loss), bool(best))) for loss, best in pairs]

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: such tasks are refused before."""
        raise NotImplementedError("only tasks with one round are supported")

    def clean(self) -> None:
        """Keep the model: lmms-eval would delete it after the first task."""

    def _generation(self, instance: Instance, place: int) -> Asked:
        text, settings, images_of, document, task, part = instance.args
        question = Question(text, self._image(images_of, task, part, document))
        tokens = int(settings.get("max_new_tokens") or _TOKENS)
        temperature = float(settings.get("temperature") or 0)
        decoding: dict[str, Any] = {
            "max_new_tokens": min(tokens, self._limit or tokens),
            "num_beams": int(settings.get("num_beams") or 1),
            "do_sample": temperature > 0,
            "temperature": temperature or None,
        }
        return Asked(task, place, question, tuple(decoding.items()))

    def _continuation(self, instance: Instance) -> tuple[Question, str]:
        text, more, images_of, document, task, part = instance.args
        return Question(text, self._image(images_of, task, part, document)), more

    def _image(self, images_of: Callable[[Any], Any], task: str, part: str, document: int) -> Path:
        """Return the file of a document's one picture.

        Raises:
            DataError: It has none, several, or something else.
        """
        visuals = images_of(self.task_dict[task][part][document]) or []
        if len(visuals) != 1 or not hasattr(visuals[0], "save"):
            raise DataError(
                f"document {document} comes with {len(visuals)} pictures or other media; this "
                "model is asked about one picture."
            )
        image = visuals[0].convert("RGB")
        name = text_digest(repr(image.size), image.tobytes(), digits=32)
        file = self._pictures / f"{name}.png"
        if not file.exists():
            image.save(file, compress_level=1)
        return file


def _key(request: Asked) -> str:
    """Return what tells a request from others: picture, words and decoding, not its place."""
    decoding = [list(pair) for pair in request.decoding]
    return digest_of([_picture(request.question), request.question.text, decoding], 16)


def _picture(question: Question) -> str:
    return Path(str(question.image)).stem
