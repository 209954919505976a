"""Published numbers, each with its source: `published_values/<benchmark>.csv`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import DataError

FOLDER = Path(__file__).parent / "published_values"


class PublishedValue(BaseModel):
    """One number of one paper. What a source does not say reads `not stated`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True
    )

    benchmark: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    model: str = Field(min_length=1, description="The model that the method starts from.")
    method: str = Field(min_length=1, description="`base` for the model itself.")
    value: float
    unit: Literal["percent", "points", "score"]
    paper: str = Field(min_length=1)
    table_or_figure: str = Field(min_length=1)
    judge: str = Field(min_length=1, description="`none` where the benchmark needs no judge.")
    data_version: str = Field(min_length=1)
    standing: Literal["verified", "second_hand", "unverified"]
    source: str = Field(min_length=1, description="Where the number was read, and how.")

    @property
    def place(self) -> tuple[str, ...]:
        """What no two values share."""
        return (
            self.benchmark,
            self.metric,
            self.model,
            self.method,
            self.paper,
            self.table_or_figure,
        )

    def belongs_to(self, size: str) -> bool:
        """Whether the value stands beside runs of this size; models of no stated size always do."""
        sizes = ("7b", "13b")
        stated = [other for other in sizes if self.model.lower().endswith(f"-{other}")]
        return size in stated if stated else size in sizes


def read_published(folder: Path = FOLDER) -> list[PublishedValue]:
    """Read all files of the folder, in the order of their names.

    Raises:
        DataError: A row lacks something, its judge and source included, or stands twice.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no folder of published numbers. It is part of the package: install anew."
        )
    values: list[PublishedValue] = []
    for path in sorted(folder.glob("*.csv")):
        values += _read(path)
    return values


def _read(path: Path) -> Sequence[PublishedValue]:
    values: dict[tuple[str, ...], PublishedValue] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            where = f"{path}:{reader.line_num}"
            try:
                value = PublishedValue.model_validate(row)
            except ValidationError as error:
                problems = "; ".join(
                    f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
                )
                raise DataError(f"{where}: {problems}. Complete the row or remove it.") from error
            if value.benchmark != path.stem:
                raise DataError(
                    f"{where}: benchmark is {value.benchmark!r}; move the row to "
                    f"{value.benchmark}.csv"
                )
            if value.place in values:
                raise DataError(f"{where}: the same value stands twice. Remove one of the rows.")
            values[value.place] = value
    return list(values.values())
