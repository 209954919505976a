"""A Hugging Face text model on this machine that splits responses into sub-sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.data.columns.clip import folder_digest
from harness.data.columns.coverage import words
from harness.data.columns.splitters import Pieces, Prompt, pieces_of, read_prompt, reply_limit
from harness.errors import ConfigError
from harness.llm.chat import ChatReply, ChatRequest
from harness.llm.store import ReplyStore

_BATCH = 16


class ByLocalModel:
    """Greedy, in batches of responses of like length; replies are stored as from an endpoint.

    Raises:
        ConfigError: There is no such model.
    """

    def __init__(self, model: str, store: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._name = model
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(model, padding_side="left")
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                model, dtype="auto", use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"data.hardness.splitter_model {model}: not a text model that can be loaded "
                f"({error}). Name a folder or hub id with safetensors weights and a tokenizer."
            ) from error
        self._model = loaded.eval().requires_grad_(False).to(self._device)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        identity = folder_digest(Path(model)) if Path(model).is_dir() else model
        self._place = f"local {identity}"
        self._store = ReplyStore(store)

    def split(self, responses: Sequence[str]) -> list[Pieces]:
        """Generate for all distinct responses that the store does not know."""
        prompt = read_prompt()
        asked = {text: self._request(text, prompt) for text in responses if words(text)}
        unknown = [
            text
            for text, request in asked.items()
            if self._store.recall(self._place, request) is None
        ]
        # Responses of like length pad each other least.
        unknown.sort(key=len)
        for start in range(0, len(unknown), _BATCH):
            batch = unknown[start : start + _BATCH]
            for text, reply in zip(batch, self._generate(batch, prompt), strict=True):
                self._store.put(self._place, asked[text], reply)
        return [self._pieces(text, asked) for text in responses]

    def _pieces(self, text: str, asked: dict[str, ChatRequest]) -> Pieces:
        if text not in asked:
            return [text.strip()]
        reply = self._store.recall(self._place, asked[text])
        return pieces_of("" if reply is None else reply.text, text)

    def _request(self, response: str, prompt: Prompt) -> ChatRequest:
        return ChatRequest(
            model=self._name,
            messages=prompt.messages(response),
            temperature=0.0,
            max_tokens=reply_limit(response),
        )

    @torch.no_grad()
    def _generate(self, responses: Sequence[str], prompt: Prompt) -> list[ChatReply]:
        told = [self._prompt_text(prompt.messages(text)) for text in responses]
        has_template = self._tokenizer.chat_template is not None
        encoded = self._tokenizer(
            told, return_tensors="pt", padding=True, add_special_tokens=not has_template
        ).to(self._device)
        # Twice its own tokens leave an honest reply room for a line break after every one.
        longest = max(len(ids) for ids in self._tokenizer(list(responses))["input_ids"])
        output = self._model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            do_sample=False,
            max_new_tokens=2 * longest + 8,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        width = encoded["input_ids"].shape[1]
        texts = self._tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
        return [
            ChatReply(
                text=text,
                model=self._name,
                prompt_tokens=int(mask.sum()),
                completion_tokens=output.shape[1] - width,
            )
            for text, mask in zip(texts, encoded["attention_mask"], strict=True)
        ]

    def _prompt_text(self, messages: tuple[tuple[str, str], ...]) -> str:
        """Lay the messages out by the model's chat template; one after the other without one."""
        if self._tokenizer.chat_template is None:
            return "\n\n".join(content for _, content in messages) + "\n\n"
        told: str = self._tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            tokenize=False,
            add_generation_prompt=True,
        )
        return told
