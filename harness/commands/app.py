"""The command line: all commands under one program, each loaded when it is asked for.

So `--help` and `list` need none of what the other commands import.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from harness.commands.options.common import examples

COMMANDS = {
    "reproduce": ("runs", "Train, evaluate on all benchmarks and print the comparison table."),
    "plan": ("runs", "Check everything and print what a run would do and cost."),
    "show": ("runs", "Print every value of a preset with its source, or what a run is."),
    "matrix": ("matrix", "Run or submit every method, size and seed, and compare them."),
    "evaluate": ("evaluation", "Answer and judge with another judge, protocol or benchmarks."),
    "judge": ("evaluation", "Judge the answers of a run by somebody else."),
    "judge-card": ("judge_card", "Say how far a judge is from the published one."),
    "watch": ("report", "Show how runs go on: steps, curves, speed, time left, warnings."),
    "claims": ("claims", "Say what of a paper's claims the runs support."),
    "compare": ("run_folders.compare", "Print any runs in one table."),
    "verify": (
        "run_folders.verify",
        "Check that runs are whole, and score their stored answers and replies again.",
    ),
    "rm": ("run_folders.remove", "Say what is lost with a run, ask, and remove its folder."),
    "archive": ("run_folders.archive", "Put a run into one file."),
    "unarchive": ("run_folders.archive", "Check an archive, then put its run among the runs."),
    "push": (
        "run_folders.push",
        "Put a run on the Hugging Face hub, with a model card made from it.",
    ),
    "regress": (
        "run_folders.regress",
        "Say what moved between committed numbers and those of today.",
    ),
    "margins": (
        "run_folders.margins",
        "Score pairs of trained runs before and after training.",
    ),
    "report": ("report", "Write one HTML page with tables, charts and all answers."),
    "score": ("scoring", "Score saved answers; no model and no GPU needed."),
    "prepare": ("prepare", "Compute columns of preference data."),
    "export": ("export", "Write preference pairs for TRL, LLaMA-Factory or as parquet."),
    "inspect": ("inspect", "Look at preference pairs."),
    "data": ("data", "Fetch, verify and list the benchmarks' published files."),
    "world": ("world", "Build a tiny world from nothing."),
    "list": ("listing", "List the methods, benchmarks, columns, sizes or runs there are."),
    "new": ("plugin_tools.new", "Write a package with a method, benchmark or column that works."),
    "check-plugin": (
        "plugin_tools.check",
        "Hold a method, benchmark or column against its contract.",
    ),
    "gpu-check": (
        "gpu_check",
        "Measure the steps of all methods and the answers on this machine's GPU.",
    ),
}
"""By name: the file below `harness.commands` that holds it, and what it does in one line."""


class Stopped(BaseException):
    """Ctrl-C came; typer would turn a KeyboardInterrupt into an end without a word."""


class Commands(TyperGroup):
    """The commands by their names."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Stopped from error

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the file of a command and return it; None where there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        file, _ = COMMANDS[cmd_name]
        commands = import_module(f"harness.commands.{file}").app
        return get_group(commands).commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])


app = typer.Typer(
    name="harness",
    cls=Commands,
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
