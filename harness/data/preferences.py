"""Preference pairs in the RLAIF-V schema, memory-mapped and checked before any work starts."""

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.data.images import open_image
from harness.data.templates import IMAGE
from harness.errors import DataError, MissingColumn

REQUIRED = ("question", "chosen", "rejected", "image")
_SHOWN = 20


class PreferencePair(BaseModel):
    """One row: a question about an image, a preferred response and one that is not."""

    model_config = ConfigDict(frozen=True)

    row: int
    pair_id: str
    question: str
    chosen: str
    rejected: str
    image: bytes

    @property
    def image_key(self) -> str:
        """Equal exactly for images with equal bytes."""
        return hashlib.sha256(self.image).hexdigest()

    def fault(self) -> str | None:
        """Say why this pair cannot be trained on, or None.

        Questions carry no `<image>`: the template adds it.
        """
        for name in ("question", "chosen", "rejected"):
            text = getattr(self, name)
            if not text.strip():
                return f"empty {name}"
            if IMAGE in text:
                return f"{name} contains {IMAGE}"
        if self.chosen.strip() == self.rejected.strip():
            return "chosen equals rejected"
        try:
            open_image(self.image)
        except DataError as error:
            return f"unreadable image: {error}"
        return None


class Preferences:
    """The pairs of a parquet file, of a folder of them, or of a dataset on the hub.

    Raises:
        DataError: There is no such data.
        MissingColumn: It has another schema.
    """

    def __init__(self, source: Path | str) -> None:
        self.source = source
        self.files = _parquet_files(source) if Path(source).exists() else ()
        self._rows = _load(source, self.files)
        self._check_columns()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> PreferencePair:
        values = self._rows[row]
        return PreferencePair(
            row=row,
            pair_id=str(values.get("idx", row)),
            question=values["question"] or "",
            chosen=values["chosen"] or "",
            rejected=values["rejected"] or "",
            image=self._image_bytes(values["image"]),
        )

    def __iter__(self) -> Iterator[PreferencePair]:
        return (self[row] for row in range(len(self)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns in the file."""
        return tuple(self._rows.column_names)

    def column(self, name: str) -> list[Any]:
        """Return one column in row order."""
        return list(self._rows[name])

    @cached_property
    def digest(self) -> str:
        """Hash of the data: of the files' bytes, or of the dataset's version on the hub."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(bytes.fromhex(file_digest(file)))
        if not self.files:
            digest.update(self._rows._fingerprint.encode())
        return digest.hexdigest()[:16]

    def validate(self, advance: Callable[[int], object] = lambda pairs: None) -> None:
        """Check every row; `advance` is told of each one.

        Raises:
            DataError: Some rows cannot be trained on; the message lists them with reasons.
        """
        faults: list[str] = []
        for pair in self:
            if reason := pair.fault():
                faults.append(f"row {pair.row}: {reason}")
            advance(1)
        if faults:
            more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
            raise DataError(
                f"{self.source}: {len(faults)} of {len(self)} rows cannot be used. Remove or "
                "repair them:\n  " + "\n  ".join([*faults[:_SHOWN], *more])
            )

    def _check_columns(self) -> None:
        missing = [name for name in REQUIRED if name not in self.columns]
        if missing:
            raise MissingColumn(
                f"{self.source}: no column {', '.join(map(repr, missing))}; it has "
                f"{', '.join(self.columns)}. Preference data need the RLAIF-V columns "
                f"{', '.join(REQUIRED)}."
            )
        if not len(self):
            raise DataError(f"{self.source}: no rows. Name a file that holds preference pairs.")

    def _image_bytes(self, image: Any) -> bytes:
        """Bytes in the row, else of the file beside the data; empty if there are none."""
        if isinstance(image, bytes):
            return image
        if not isinstance(image, dict):
            return b""
        if image.get("bytes"):
            return bytes(image["bytes"])
        root = Path(self.source)
        file = (root if root.is_dir() else root.parent) / (image.get("path") or "")
        return file.read_bytes() if file.is_file() else b""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _parquet_files(source: Path | str) -> tuple[Path, ...]:
    path = Path(source)
    files = (path,) if path.is_file() else tuple(sorted(path.rglob("*.parquet")))
    if not files:
        raise DataError(f"{path}: no parquet file in this folder. Name the folder that holds them.")
    return files


def _load(source: Path | str, files: tuple[Path, ...]) -> Any:
    import datasets

    datasets.disable_progress_bars()
    try:
        if files:
            rows = datasets.load_dataset(
                "parquet", data_files=[str(f) for f in files], split="train"
            )
        else:
            rows = datasets.load_dataset(str(source), split="train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source}: cannot be read as preference data ({error}). Name a parquet file, a folder "
            "of them or a dataset on the hub."
        ) from error
    if "image" in rows.column_names and isinstance(rows.features["image"], datasets.Image):
        rows = rows.cast_column("image", datasets.Image(decode=False))
    return rows
