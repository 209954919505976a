"""Conversation templates: how a question becomes the text that a model reads."""

from dataclasses import dataclass

IMAGE = "<image>"
"""Stands for the image in a prompt; whoever tokenizes expands it to the number of image tokens."""


@dataclass(frozen=True)
class Template:
    """One question, one response."""

    name: str
    system: str

    def prompt(self, question: str, image: bool = True) -> str:
        """Return the text up to and including `ASSISTANT:`.

        A response follows as one space, its text and the end-of-sequence token.
        """
        return f"{self.system} USER: {IMAGE + chr(10) if image else ''}{question} ASSISTANT:"


_SYSTEM = (
    "A chat between a curious {who} and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the {who}'s questions."
)

TEMPLATES: dict[str, Template] = {
    "vicuna_v1": Template("vicuna_v1", _SYSTEM.format(who="user")),
    "llava_v1": Template("llava_v1", _SYSTEM.format(who="human")),
}
"""`vicuna_v1` is LLaVA-1.5's own; RLAIF-V trains and evaluates with `llava_v1`."""
