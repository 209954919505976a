"""The command line: all commands under one program. Importing it imports nothing heavy."""

import typer

from harness.commands import data, gpu_check, inspect, listing, matrix, prepare, runs, scoring
from harness.commands.options.common import examples

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich takes longer than all the rest of `--help`
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(
    epilog=examples(
        "reproduce --method dama --size tiny",
        "list methods",
        "show --method dama --size 7b",
    )
)
def harness() -> None:
    """Reproduce alignment methods for multimodal models, from preference data to the table."""


for commands in (runs, matrix, scoring, prepare, inspect, data, listing, gpu_check):
    app.add_typer(commands.app)
