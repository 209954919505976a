"""`compare`: any runs in one table."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import JudgedBy, commands, examples
from harness.report.comparison.forms import Form

app = commands()


@app.command(
    "compare",
    epilog=examples(
        "compare dama-tiny-seed0-ae7bd8e7aaca dpo-tiny-seed0-8eef962a3035",
        "compare results/runs/* --format latex --to table.tex",
        "compare dpo-tiny-seed0-8eef962a3035 --format csv > numbers.csv",
    ),
)
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs by name (see: list runs) or folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder that holds runs/ and tables/.")] = Path(
        "results"
    ),
    form: Annotated[
        Form, typer.Option("--format", help="LaTeX needs the packages booktabs and graphicx.")
    ] = Form.MARKDOWN,
    judge: JudgedBy = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER_OR_FILE", help="Write there instead of printing it."),
    ] = None,
) -> None:
    """Print any runs in one table, beside the base models that they start from.

    Only the folders of the runs are read. Numbers of different judges, protocols or data stand in
    columns of their own, marked (a), (b). What cannot be read is named on stderr and left out.
    """
    from harness.console import messages
    from harness.report.comparison.table import comparison_text, put_table

    text, faults = comparison_text(runs, out, form, judge)
    for fault in faults:
        messages.print(fault, markup=False)
    if to is None:
        typer.echo(text, nl=False)
    else:
        messages.print(f"{put_table(text, form, to)}", markup=False)
