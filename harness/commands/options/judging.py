"""Options of the commands that may ask a language model to judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.llm.messages import ChatSettings

Judge = Annotated[
    str | None,
    typer.Option("--judge", help="openai, openai:MODEL, replay:FILE, or oracle (tiny world)."),
]
JudgeUrl = Annotated[
    str | None,
    typer.Option(
        "--judge-url",
        metavar="URL",
        help="OpenAI-compatible endpoint, such as http://localhost:8000/v1. "
        "Default: OPENAI_BASE_URL, or OpenAI's own.",
    ),
]
JudgeKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--judge-key-file", help="File that holds the key alone. Default: OPENAI_API_KEY."
    ),
]
JudgeWorkers = Annotated[
    int, typer.Option("--judge-workers", min=1, help="Calls to the judge at the same time.")
]
MaxJudgeCalls = Annotated[
    int | None,
    typer.Option("--max-judge-calls", min=0, help="Stop before paying for more calls than this."),
]
MaxJudgeTokens = Annotated[
    int | None,
    typer.Option("--max-judge-tokens", min=0, help="Stop before paying for more tokens than this."),
]
JudgeRuns = Annotated[
    int,
    typer.Option("--judge-runs", min=1, help="Judge everything this often (mm_vet; paper: 5)."),
]


def chat_settings(
    judge_url: str | None = None,
    judge_key_file: Path | None = None,
    judge_workers: int = 8,
    max_judge_calls: int | None = None,
    max_judge_tokens: int | None = None,
) -> "ChatSettings":
    """Return how to reach the judge, from the words of the command line."""
    from harness.llm.messages import ChatSettings

    return ChatSettings(
        base_url=judge_url,
        key_file=judge_key_file,
        workers=judge_workers,
        max_calls=max_judge_calls,
        max_tokens=max_judge_tokens,
    )
