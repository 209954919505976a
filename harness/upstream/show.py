"""Tables of `data list` and `data verify`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.console import results
from harness.upstream.catalogue import Dataset, Entry
from harness.upstream.fetch import printable
from harness.upstream.verify import Finding

Row = Mapping[str, str | int | bool | None]


def print_findings(findings: Sequence[Finding]) -> None:
    """Print what `verify` found, faults marked."""
    table = Table("", "benchmark", "what", "found", "note", box=None, pad_edge=False)
    for row in findings:
        mark = Text("") if row.ok else Text("!", style="bold red")
        texts = (row.dataset, row.what, row.state, row.note)
        table.add_row(mark, *(Text(printable(text), overflow="fold") for text in texts))
    faults = sum(not row.ok for row in findings)
    results.print(table)
    results.print(
        "Everything is as published."
        if not faults
        else f"{faults} fault{'s' * (faults > 1)}, marked !."
    )


def listed(dataset: Dataset, data: Path) -> list[Row]:
    """Return one row per file, images apart, and one for the images."""
    folder = data / dataset.name
    rows: list[Row] = [
        {
            "benchmark": dataset.name,
            "path": str(folder / path),
            "here": (folder / path).is_file(),
            "size": entry.size,
            "sha256": entry.sha256,
            "from": origin(dataset, entry),
            "licence": dataset.licence,
        }
        for path, entry in dataset.files.items()
    ]
    if dataset.images is not None:
        images = dataset.images
        whence = images.by_hand or images.url or images.inside
        whence = whence or f"the addresses in {(images.url_field or ('',))[0]}"
        row = {"benchmark": dataset.name, "path": f"{folder}/ (images)", "from": whence}
        rows.append({**row, "here": None, "size": None, "sha256": None, "licence": dataset.licence})
    return rows


def origin(dataset: Dataset, entry: Entry) -> str:
    """Say where a file comes from."""
    if entry.inside is None:
        return entry.url or entry.by_hand or f"made by: {entry.made_by}"
    if entry.literal is not None:
        return f"the text {entry.literal} in {entry.inside}, read without executing it"
    return f"{entry.member} in {dataset.archives[entry.inside].url}"


def print_listed(rows: Sequence[Row], datasets: Sequence[Dataset]) -> None:
    """Print the files and then the licences."""
    table = Table("file", "here", "bytes", "pinned", "from", box=None, pad_edge=False)
    for row in rows:
        here = (
            {True: "yes", False: "no"}.get(row["here"] is True, "")
            if row["here"] is not None
            else ""
        )
        pinned = "sha256" if row["sha256"] else ""
        texts = (row["path"], here, row["size"] or "", pinned, row["from"])
        table.add_row(*(Text(str(text), overflow="fold") for text in texts))
    results.print(table)
    for dataset in datasets:
        results.print(f"{dataset.name}: licence: {dataset.licence}", markup=False)
