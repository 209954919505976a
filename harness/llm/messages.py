"""What is said to a language model and what comes back."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.llm.profiles import OFFICIAL, Profile

ASSUMED_REPLY = 512
"""Tokens that a reply is taken to need where nothing limits it, before it is there."""


@dataclass(frozen=True)
class ChatRequest:
    """Everything that decides a reply, the endpoint apart."""

    model: str
    messages: tuple[tuple[str, str], ...]
    """(role, content)."""
    temperature: float
    max_tokens: int | None = None
    repeat: int = 0
    """Tells equal requests apart that must be asked anew, such as run 2 of 5."""
    profile: Profile = field(default=OFFICIAL, hash=False)
    """What the model and its endpoint accept; it holds objects, which have no hash."""

    @property
    def limit(self) -> int | None:
        """Tokens that the model may take to reply, and to think before it does."""
        return None if self.max_tokens is None else self.max_tokens + self.profile.thinking_tokens

    @property
    def estimated_tokens(self) -> int:
        """Tokens that the call may take: its messages, and the longest reply allowed."""
        limit = ASSUMED_REPLY if self.limit is None else self.limit
        return estimated_tokens(*(content for _, content in self.messages)) + limit


@dataclass(frozen=True)
class ChatReply:
    """One reply and what it took."""

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def tokens(self) -> int:
        """Tokens of prompt and reply together."""
        return self.prompt_tokens + self.completion_tokens


class ChatSettings(BaseModel):
    """How to reach the service and what may be spent; nothing here decides a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = Field(
        default=None,
        description="OpenAI-compatible endpoint, such as http://localhost:8000/v1. "
        "Default: OPENAI_BASE_URL, or OpenAI's own.",
    )
    key_file: Path | None = Field(
        default=None, description="File that holds the key alone. Default: OPENAI_API_KEY."
    )
    workers: int = Field(default=8, gt=0, description="Calls to the judge at the same time.")
    max_calls: int | None = Field(
        default=None, ge=0, description="Stop before paying for more calls than this."
    )
    max_tokens: int | None = Field(
        default=None, ge=0, description="Stop before paying for more tokens than this."
    )
    attempts: int = Field(
        default=8, gt=0, description="Tries of one call while the network or the service fails."
    )
    timeout: float = Field(
        default=120, gt=0, description="Seconds of silence after which a try has failed."
    )
    longest_wait: float = Field(
        default=60,
        ge=0,
        description="Seconds between two tries, at most, whatever the service asks for.",
    )
    unreadable_attempts: int = Field(
        default=6,
        gt=0,
        description="Calls about one answer until the reply can be read, at most. The published "
        "scripts stop after 6 (mm_vet, also here in any case) or 100 (object_halbench).",
    )
    stop_unreadable: str = Field(
        default="8/10",
        pattern=r"^[1-9]\d{0,3}/[1-9]\d{0,3}$",
        description="Stop judging when so many of the first replies cannot be read.",
    )
    max_unjudged: int = Field(
        default=5,
        ge=0,
        description="Go on when the service refuses to judge an answer, up to so many of them.",
    )

    def first_is_over(self, judged: int) -> bool:
        """Tell whether the first replies, which tell whether a judge can be read, are all there."""
        return judged >= int(self.stop_unreadable.partition("/")[2])

    def too_unreadable(self, unreadable: int, judged: int, total: int) -> bool:
        """Tell whether judging must stop: of the first of `total` answers too many."""
        bound, first = map(int, self.stop_unreadable.split("/"))
        return judged <= first and unreadable >= min(bound, first, total)


def estimated_tokens(*texts: str) -> int:
    """Return the characters divided by four, rounded up: a rule of thumb for English."""
    return -(-sum(map(len, texts)) // 4)


def well_formed(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def printable(name: str) -> str:
    """Return a name that somebody else gave as it can be shown."""
    return "".join(one for one in name if one.isprintable())[:100]
