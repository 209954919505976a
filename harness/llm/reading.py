"""What the body of an answer says: the reply, without what the model thought before."""

import json
from collections.abc import Mapping
from typing import Any

from harness.errors import RefusedRequest
from harness.llm.messages import ChatReply, ChatRequest, estimated_tokens, well_formed
from harness.llm.profiles import Profile


class PassingError(Exception):
    """A failure that may be over at the next try.

    Args:
        reason: What happened, in a few words.
        wait: Seconds that the service asks to wait.
    """

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


def read_reply(body: bytes, request: ChatRequest) -> ChatReply:
    """Return the reply in the body of an answer, whoever gave it.

    An answer that says it is finished and holds no text is an empty reply. Tokens that the
    service does not count are estimated.

    Raises:
        PassingError: The body is not an answer: cut off, garbled, or without a choice.
        RefusedRequest: A content filter withheld the reply.
    """
    if body.lstrip()[:1] == b"<":
        raise PassingError("a page instead of an answer, as proxies and pages to log in give")
    try:
        answer = json.loads(body.decode("utf-8"))
        choice, model = answer["choices"][0], answer["model"]
        message, finish = choice["message"], choice.get("finish_reason")
        text = message["content"]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise PassingError(f"an answer that cannot be read: {type(error).__name__}") from error
    if finish == "content_filter":
        raise RefusedRequest(f"model {request.model!r}: a content filter withheld the reply.")
    if text is None and isinstance(finish, str):
        text = ""
    if not isinstance(text, str) or not isinstance(model, str):
        raise PassingError("an answer without text or model")
    said = spoken(well_formed(text), request.profile, cut_off=finish == "length")
    usage = answer.get("usage")
    counts: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    asked = estimated_tokens(*(content for _, content in request.messages))
    return ChatReply(
        text=said,
        model=model,
        prompt_tokens=_count(counts.get("prompt_tokens"), asked),
        completion_tokens=_count(counts.get("completion_tokens"), estimated_tokens(text)),
    )


def spoken(text: str, profile: Profile, *, cut_off: bool) -> str:
    """Return what a model says when it has thought; nothing if it did not get to speak.

    The mark that begins the thoughts may stand in the prompt instead of the reply, so the one that
    ends them decides. A reply that the limit cut off may be a thought without any mark: it is
    empty where the model may think.

    Args:
        text: All that it wrote.
        profile: Its marks, and whether it may think.
        cut_off: Whether the limit on tokens ended it.
    """
    thought = False
    for begin, end in profile.thoughts:
        _, closed, behind = text.rpartition(end)
        if closed:
            text, thought = behind.lstrip(), True
        if begin in text:
            return ""
    return "" if cut_off and profile.thinks and not thought else text


def _count(value: Any, estimate: int) -> int:
    return value if type(value) is int and value >= 0 else estimate
