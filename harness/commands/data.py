"""`data`: the benchmarks' published files."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import AsJson, commands, examples, print_json

app = commands()
data = commands()
app.add_typer(data, name="data", help="Fetch, verify and list the benchmarks' published files.")

Benchmark = Annotated[
    str | None, typer.Argument(help="A benchmark, or nltk_data; all if not given.")
]
Folder = Annotated[Path, typer.Option("--data", help="Folder that holds one folder per benchmark.")]
DATA = Path("data/benchmarks")


@data.command(
    epilog=examples(
        "data fetch",
        "data fetch amber --data data/benchmarks",
        "data fetch --mirror /media/mirror",
    )
)
def fetch(
    benchmark: Benchmark = None,
    folder: Folder = DATA,
    mirror: Annotated[
        Path | None, typer.Option(help="Take the files from this folder, not from the network.")
    ] = None,
) -> None:
    """Fetch what is missing from pinned addresses, check it, and say what is left to do."""
    from harness.console import messages
    from harness.errors import DataError
    from harness.files.faults import require_folder
    from harness.upstream.catalogue import chosen
    from harness.upstream.fetch import fetch as fetch_dataset
    from harness.upstream.fetch import report
    from harness.upstream.mirror import Mirror
    from harness.upstream.transfer import Web
    from harness.upstream.verify import faults

    require_folder(folder, "--data")
    source = Web() if mirror is None else Mirror(mirror)
    problems, wrong = [], []
    for dataset in chosen(benchmark):
        messages.print(f"{dataset.name}: licence: {dataset.licence}", markup=False)
        missing = fetch_dataset(dataset, folder, source)
        problems += missing
        wrong += faults(dataset, folder, complete=not missing)
    if problems or wrong:
        raise DataError(report(problems, wrong))
    messages.print(f"All files are in {folder}.", markup=False)


@data.command(epilog=examples("data verify", "data verify mm_vet --json"))
def verify(benchmark: Benchmark = None, folder: Folder = DATA, as_json: AsJson = False) -> None:
    """Check every file and count what the benchmarks hold; exit code 1 if anything is wrong."""
    import dataclasses

    from harness.upstream.catalogue import chosen
    from harness.upstream.show import print_findings
    from harness.upstream.verify import verify as verify_dataset

    findings = [row for dataset in chosen(benchmark) for row in verify_dataset(dataset, folder)]
    if as_json:
        print_json([dataclasses.asdict(row) for row in findings])
    else:
        print_findings(findings)
    if not all(row.ok for row in findings):
        raise typer.Exit(1)


@data.command("list", epilog=examples("data list", "data list amber --json"))
def list_files(benchmark: Benchmark = None, folder: Folder = DATA, as_json: AsJson = False) -> None:
    """List the files of the benchmarks, where they come from and whether they are here."""
    from harness.upstream.catalogue import chosen
    from harness.upstream.show import listed, print_listed

    rows = [row for dataset in chosen(benchmark) for row in listed(dataset, folder)]
    if as_json:
        print_json(rows)
    else:
        print_listed(rows, chosen(benchmark))


@data.command(epilog=examples("data similarity", "data similarity --model en_core_web_lg"))
def similarity(
    folder: Folder = DATA,
    model: Annotated[str, typer.Option(help="An installed spaCy model with word vectors.")] = (
        "en_core_web_lg"
    ),
) -> None:
    """Compute which words AMBER takes for similar; without it AMBER matches equal words only."""
    from harness.console import messages
    from harness.upstream.similarity import write_table

    path, pairs = write_table(folder / "amber", model)
    messages.print(f"{path}: {pairs} pairs of words", markup=False)
