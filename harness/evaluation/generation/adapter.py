"""The lmms-eval adapter: lmms-eval drives, our own prompt, image transform and journal answer.

lmms-eval's own LLaVA class turns a failed generation into an empty answer, which counts as free of
hallucinations, and keeps answers only when all of them are there.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

import torch
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms

from benchmarks.types import Response
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.batching import Asked, batches, batches_by_image, split
from harness.evaluation.generation.journal import Journal
from harness.evaluation.generation.prefix import SharedPrefix
from harness.evaluation.generation.samples import GenerationTask


class JournaledLlava(lmms):  # type: ignore[misc]  # lmms-eval is untyped
    """A LLaVA checkpoint for lmms-eval; every batch of answers is on disk before the next begins.

    Args:
        llavas: The checkpoint, by benchmark with the template and transform of its protocol.
        tasks: The benchmarks that will be asked, by name.
        journals: Where their answers go, by name.
        batch_size: Questions answered together.
        shared_prefix: Whether several questions about one image share the work on it.
    """

    is_simple = True

    def __init__(
        self,
        llavas: Mapping[str, Llava],
        tasks: Mapping[str, GenerationTask],
        journals: Mapping[str, Journal],
        batch_size: int,
        shared_prefix: bool = True,
    ) -> None:
        super().__init__()
        self._rank, self._world_size = rank_and_world_size()
        self._llavas = llavas
        self._prefixes = {name: SharedPrefix(llava) for name, llava in llavas.items()}
        self._tasks = tasks
        self._journals = journals
        self._batch_size = batch_size
        self._shared_prefix = shared_prefix

    @property
    def device(self) -> torch.device:
        """Where lmms-eval puts its own counters: its process group talks between CPUs."""
        return torch.device("cpu")

    def __str__(self) -> str:
        """Checkpoint and prompt, never an address in memory."""
        identities = (":".join(llava.identity.values()) for llava in self._llavas.values())
        return ",".join(dict.fromkeys(identities))

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """Answer what the journals do not hold yet; return all answers in the order asked."""
        asked = [self._request(instance) for instance in requests]
        missing = {
            (request.task, request.index): request
            for request in asked
            if self._sample_id(request) not in self._journals[request.task].answers
        }
        shared, plain = split(list(missing.values()), self._shared_prefix)
        for batch in batches(plain, self._batch_size):
            self._answer(batch, self._llavas[batch[0].task])
        for batch in batches_by_image(shared, self._batch_size):
            self._answer(batch, self._prefixes[batch[0].task])
        return [self._journals[one.task].answers[self._sample_id(one)] for one in asked]

    def _answer(self, batch: Sequence[Asked], model: Llava | SharedPrefix) -> None:
        texts = model.answer([one.question for one in batch], dict(batch[0].decoding))
        self._journals[batch[0].task].append(
            [
                Response(self._sample_id(request), text)
                for request, text in zip(batch, texts, strict=True)
            ]
        )

    def _request(self, instance: Instance) -> Asked:
        text, settings, images_of, place, task, part = instance.args
        doc = self.task_dict[task][part][place]
        (image,) = images_of(doc)
        decoding = {
            "max_new_tokens": settings["max_new_tokens"],
            "num_beams": settings["num_beams"],
            "do_sample": settings["do_sample"],
            "temperature": settings["temperature"] if settings["do_sample"] else None,
        }
        if settings.get("repetition_penalty"):
            decoding["repetition_penalty"] = settings["repetition_penalty"]
        return Asked(task, doc["index"], Question(text, image), tuple(decoding.items()))

    def _sample_id(self, request: Asked) -> str | int:
        return self._tasks[request.task].samples[request.index].id

    def loglikelihood(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: the benchmarks here are generative."""
        raise NotImplementedError("only tasks of the type generate_until are supported")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> NoReturn:
        """Refuse: the benchmarks here have one question per sample."""
        raise NotImplementedError("only tasks of the type generate_until are supported")

    def clean(self) -> None:
        """Keep the model: lmms-eval would delete it after the first call."""


def rank_and_world_size() -> tuple[int, int]:
    """Return what torchrun tells this process, or (0, 1) without torchrun."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def compute_device() -> torch.device:
    """Return this process's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
