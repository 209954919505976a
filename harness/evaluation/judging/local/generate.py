"""Greedy replies of a text model by transformers, several requests at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from harness.llm.messages import ChatRequest

BEGIN, END = "<think>", "</think>"
"""Around what a model thinks before it answers."""
_SPARE = 0.8
"""Share of a GPU's memory that weights may take; what is larger is spread over all GPUs."""


_AT_ONCE = {True: 64, False: 16}
"""Requests together, on a GPU and elsewhere. On an H100 64 make 2.3 times the tokens of 16."""


class Reply(TypedDict):
    """What came of one request."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class Generator:
    """A text model with its chat template; nothing of its own code is run."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=False
        )
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            use_safetensors=True,
            trust_remote_code=False,
            device_map=_device_map(folder),
        )
        self._model = model.eval().requires_grad_(False)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        # Of the model's own settings only its ends stay: a penalty or a temperature is not greedy.
        self._model.generation_config = GenerationConfig(
            do_sample=False,
            eos_token_id=self._model.generation_config.eos_token_id,
            bos_token_id=self._model.generation_config.bos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
        )

    @property
    def at_once(self) -> int:
        """How many requests to answer together, if memory allows."""
        return _AT_ONCE[self._model.device.type == "cuda"]

    def replies(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """Return the replies to requests of one limit; where memory runs out, half at a time."""
        try:
            return self._generate(requests)
        except torch.OutOfMemoryError:
            if len(requests) == 1:
                raise
        torch.cuda.empty_cache()
        half = len(requests) // 2
        return [*self.replies(requests[:half]), *self.replies(requests[half:])]

    @torch.no_grad()
    def _generate(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        told = [self._told(request) for request in requests]
        # The template has written the special tokens already.
        encoded = self._tokenizer(
            told, return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self._model.device)
        output = self._model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            max_new_tokens=requests[0].limit,
        )
        replies = output[:, encoded["input_ids"].shape[1] :]
        lengths = (replies != self._tokenizer.pad_token_id).sum(1).tolist()
        prompts = encoded["attention_mask"].sum(1).tolist()
        return [
            Reply(
                text=self._said(ids, thinking=prompt.rstrip().endswith(BEGIN)),
                prompt_tokens=read,
                completion_tokens=length,
            )
            for ids, prompt, read, length in zip(
                replies.tolist(), told, prompts, lengths, strict=True
            )
        ]

    def _said(self, ids: list[int], *, thinking: bool) -> str:
        """Return the text of a reply behind its thoughts, whose end may be a special token."""
        end = self._tokenizer.get_vocab().get(END)
        if end in ids:
            after: str = self._tokenizer.decode(
                ids[len(ids) - ids[::-1].index(end) :], skip_special_tokens=True
            )
            return after.strip()
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return said(text, thinking=thinking)

    def _told(self, request: ChatRequest) -> str:
        template = self._tokenizer.get_chat_template()
        switch = {"enable_thinking": False} if "enable_thinking" in template else {}
        text: str = self._tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in request.messages],
            tokenize=False,
            add_generation_prompt=True,
            **switch,
        )
        return text


def said(text: str, *, thinking: bool = False) -> str:
    """Return what follows the thoughts in a reply; nothing where they do not end.

    Args:
        text: The reply.
        thinking: Whether the prompt has begun the thoughts already.
    """
    _, end, after = text.rpartition(END)
    if end:
        return after.strip()
    return "" if thinking or text.lstrip().startswith(BEGIN) else text


def _device_map(folder: Path) -> str:
    if not torch.cuda.is_available():
        return "cpu"
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    memory = torch.cuda.get_device_properties(0).total_memory
    return "cuda:0" if size < _SPARE * memory else "auto"
