"""The content of a dataset's folder: its samples, and the images that they name."""

import json
from pathlib import Path, PurePosixPath

from benchmarks.types import Sample
from harness.errors import DataError
from harness.registry import load_benchmark
from harness.upstream.catalogue import Dataset, Entry, safe_path
from harness.upstream.reading import read_data, read_text


def read_samples(dataset: Dataset, folder: Path) -> list[Sample]:
    """Return the samples of a benchmark's folder, as scoring reads them.

    Raises:
        DataError: See `read_data`.
    """
    samples, _version = read_data(load_benchmark(dataset.name), folder)
    return samples


def image_entries(dataset: Dataset, folder: Path) -> dict[str, Entry]:
    """Return the images that the samples name, by path; none where they come with the questions.

    Raises:
        DataError: The questions are missing or name a path outside the folder.
    """
    if dataset.images is None:
        return {}
    samples = read_samples(dataset, folder)
    addresses = _addresses(dataset, folder)
    entries: dict[str, Entry] = {}
    try:
        for sample in samples:
            path = str(sample.image)
            if path not in entries:
                url = addresses.get(PurePosixPath(safe_path(path)).name)
                entries[path] = dataset.entry_of_image(path, url)
    except ValueError as error:
        raise DataError(f"{folder}: the questions name a wrong image: {error}") from error
    return entries


def _addresses(dataset: Dataset, folder: Path) -> dict[str, str]:
    """Return where a file of the dataset says that its images are, by file name."""
    if dataset.images is None or dataset.images.url_field is None:
        return {}
    file, field = dataset.images.url_field
    rows = json.loads(read_text(folder / file))
    return {PurePosixPath(row[field]).name: row[field] for row in rows}


def require_readable(path: Path, name: str) -> None:
    """Refuse what is not of the kind that its name says, where no hash tells.

    Raises:
        DataError: It is no JSON or no image, for example a page that says so.
    """
    try:
        if name.endswith(".json"):
            json.loads(read_text(path))
        elif name.endswith(".jsonl"):
            for line in filter(str.strip, read_text(path).split("\n")):
                json.loads(line)
        elif name.lower().endswith((".jpg", ".jpeg", ".png")):
            from PIL import Image

            with Image.open(path) as image:
                image.load()
    except (ValueError, OSError, SyntaxError) as error:
        raise DataError(f"{name}: what arrived is not such a file ({error})") from error
