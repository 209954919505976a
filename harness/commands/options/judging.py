"""Options of the commands that may ask a language model."""

from typing import Annotated

import typer

from harness.commands.options.from_model import Flag, Options
from harness.llm.messages import ChatSettings

JUDGING = Options(
    ChatSettings.model_fields,
    {
        "base_url": Flag("--judge-url", metavar="URL"),
        "key_file": Flag("--judge-key-file"),
        "workers": Flag("--judge-workers"),
        "max_calls": Flag("--max-judge-calls"),
        "max_tokens": Flag("--max-judge-tokens"),
        "unreadable_attempts": Flag("--unreadable-attempts"),
        "stop_unreadable": Flag("--stop-unreadable", metavar="N/M"),
        "max_unjudged": Flag("--max-unjudged"),
    },
    ChatSettings,
)
"""How a judge, or a model that splits responses, is reached and what it may cost."""

Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="WHO",
        help="openai, openai:MODEL, local:MODEL, replay:FILE[,FILE...], or oracle (tiny world). A "
        "replay is our own replies or a published judge file; several are runs.",
    ),
]
JudgeRuns = Annotated[
    int,
    typer.Option("--judge-runs", min=1, help="Judge everything this often (mm_vet; paper: 5)."),
]
JudgeProfile = Annotated[
    str | None,
    typer.Option(
        "--judge-profile",
        metavar="NAME|FILE",
        help="What the judge's endpoint accepts, see docs/judges.md. Default: by the model's name.",
    ),
]
