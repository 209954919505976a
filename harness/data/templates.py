"""Conversation templates: how a question becomes the text that a model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError

IMAGE = "<image>"
"""Stands for the image in a prompt; whoever tokenizes expands it to the number of image tokens."""


@dataclass(frozen=True)
class Template:
    """One question, one response."""

    name: str
    system: str
    layout: str = "{system} USER: {image}{question} ASSISTANT:"
    """Names the places of `system`, `image` and `question`; the image stands before all that
    differs between prompts, so that it has the same place in all of them."""
    image: str = f"{IMAGE}\n"
    image_token: str = IMAGE
    """What `image` holds once, and the tokenizer knows as one token."""
    separator: str = " "
    """Between prompt and response."""
    end: str | None = None
    """The token that ends a response; the tokenizer's end-of-sequence token where it is None."""

    def prompt(self, question: str, history: Sequence[tuple[str, str]] = ()) -> str:
        """Return the text that a model continues with `separator`, a response and the end.

        Args:
            question: The last one.
            history: Earlier questions with their answers; the image stands before the first.
        """
        after = self.layout.partition("{question}")[2]
        before = (
            f"{asked}{after}{self.separator}{answer}{_BETWEEN[self.name]}"
            for asked, answer in history
        )
        talk = "".join((*before, question))
        return self.layout.format(system=self.system, image=self.image, question=talk)

    def joined(self, prompt: str, response: str) -> str:
        """Return prompt and response as one text, without the end."""
        return f"{prompt}{self.separator}{response}"

    def end_id(self, tokenizer: Any) -> int:
        """Return the token that ends a response.

        Raises:
            ConfigError: The tokenizer has none.
        """
        if self.end is None:
            if tokenizer.eos_token_id is None:
                raise ConfigError(
                    "The model's tokenizer has no end-of-sequence token; set eos_token."
                )
            return int(tokenizer.eos_token_id)
        found = tokenizer.convert_tokens_to_ids(self.end)
        if found is None or found == tokenizer.unk_token_id:
            raise ConfigError(
                f"The model's tokenizer does not know {self.end!r}, which ends a response in the "
                f"template {self.name}. Set model.template to the model's own."
            )
        return int(found)


_BETWEEN = {
    "vicuna_v1": "</s>USER: ",
    "llava_v1": "</s>USER: ",
    "qwen2_5_vl": "<|im_end|>\n<|im_start|>user\n",
}
"""What stands between an answer and the next question. Source: LLaVA:llava/conversation.py, where
the style TWO ends an answer with `</s>` and puts nothing after it, and Qwen2.5-VL's template."""

_SYSTEM = (
    "A chat between a curious {who} and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the {who}'s questions."
)
_TURN = "<|im_start|>{}\n{}<|im_end|>\n"

TEMPLATES: dict[str, Template] = {
    "vicuna_v1": Template("vicuna_v1", _SYSTEM.format(who="user")),
    "llava_v1": Template("llava_v1", _SYSTEM.format(who="human")),
    "qwen2_5_vl": Template(
        "qwen2_5_vl",
        # Its system text stands in the layout: the tiny world's tokenizer knows those of all
        # templates as one token each, and needs no more.
        system="",
        layout=_TURN.format("system", "You are a helpful assistant.")
        + _TURN.format("user", "{image}{question}")
        + "<|im_start|>assistant\n",
        image="<|vision_start|><|image_pad|><|vision_end|>",
        image_token="<|image_pad|>",
        separator="",
        end="<|im_end|>",
    ),
}
"""`vicuna_v1` is LLaVA-1.5's own; RLAIF-V trains and evaluates with `llava_v1`. `qwen2_5_vl` is
what Qwen2.5-VL's own chat template makes of an image and a question."""
