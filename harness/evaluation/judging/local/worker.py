"""The process that answers a judge's questions: `python -m ....local.worker JOB`."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.files.atomic import write_text
from harness.llm.messages import ChatReply, ChatRequest
from harness.llm.profiles import Profile
from harness.llm.store import ReplyStore


def main(job: Path) -> None:
    """Answer what the store does not know, a batch after the other."""
    asked = json.loads(job.read_text("utf-8"))
    store, place, progress = ReplyStore(Path(asked["store"])), asked["place"], asked["progress"]
    requests = [_request(values) for values in asked["requests"]]
    left = [request for request in requests if store.recall(place, request) is None]
    from harness.evaluation.judging.local.generate import Generator

    generator = Generator(Path(asked["folder"]))
    done = len(requests) - len(left)
    write_text(Path(progress), str(done))
    for batch in batches(left, generator.at_once):
        for request, reply in zip(batch, generator.replies(batch), strict=True):
            store.put(place, request, ChatReply(model=request.model, **reply))
        done += len(batch)
        write_text(Path(progress), str(done))


def batches(requests: Sequence[ChatRequest], size: int) -> Iterator[list[ChatRequest]]:
    """Yield requests of like length and equal limit together, so that they pad each other least.

    The longest come first: where memory does not suffice for them, it is known at once.
    """
    by_limit: dict[int | None, list[ChatRequest]] = {}
    for request in requests:
        by_limit.setdefault(request.limit, []).append(request)
    for group in by_limit.values():
        group.sort(key=lambda one: sum(len(text) for _, text in one.messages), reverse=True)
        yield from (group[start : start + size] for start in range(0, len(group), size))


def as_job(request: ChatRequest) -> dict[str, Any]:
    """Return a request as JSON can hold it."""
    return asdict(request) | {"profile": request.profile.model_dump(mode="json")}


def _request(values: dict[str, Any]) -> ChatRequest:
    # JSON has no tuples, and two requests are equal where their hashes are.
    messages = tuple((role, text) for role, text in values["messages"])
    profile = Profile.model_validate(values["profile"])
    return ChatRequest(**{**values, "messages": messages, "profile": profile})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
