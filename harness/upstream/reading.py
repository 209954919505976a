"""The published files of a benchmark, as samples."""

from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Sample
from harness.errors import DataError, in_words
from harness.files.digests import text_digest


def read_data(benchmark: Benchmark[Any], folder: Path) -> tuple[list[Sample], str]:
    """Return the samples in published order and the version: sha256 over the files read.

    A file that is published in a subfolder may also lie in the folder itself. Files that only
    scoring needs may be missing: the benchmark says which it cannot do without.

    Raises:
        DataError: The folder does not hold this benchmark, or two samples share an id.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: not the data of benchmark '{benchmark.name}': there is no such folder. "
            "Name it with --data, or fetch it with: "
            f"python -m harness data fetch {benchmark.name}"
        )
    texts: dict[str, str] = {}
    hashed: list[str | bytes] = []
    for name in sorted(benchmark.files):
        found = place_of(folder, name)
        if found.is_file():
            content = read_bytes(found)
            hashed += [name, bytes.fromhex(text_digest(content))]
            texts[name] = decode(content, found)
    try:
        samples = list(benchmark.read(texts))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # All but the first come from JSON of another shape than the benchmark's own.
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        raise DataError(
            f"{folder}: not the data of benchmark '{benchmark.name}': {reason}. "
            "Check them with: python -m harness data verify"
        ) from error
    twice = [repr(key) for key, count in Counter(s.id for s in samples).items() if count > 1]
    if twice or not samples:
        problem = f"ids stand twice: {', '.join(twice[:5])}" if twice else "there is no sample"
        raise DataError(f"{folder}: {problem}. Check with: python -m harness data verify")
    return samples, f"sha256:{text_digest(*hashed, digits=12)}"


def place_of(folder: Path, name: str) -> Path:
    """Return where a published file lies: in its subfolder, or in the benchmark's folder itself."""
    place, flat = folder / name, folder / Path(name).name
    return flat if flat.is_file() and not place.is_file() else place


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        DataError: It cannot be read, or is not UTF-8.
    """
    return decode(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: not readable ({in_words(error)}). Fetch or unpack it again."
        ) from error


def decode(content: bytes, source: Path) -> str:
    """Return UTF-8 as text, without the mark that some programs write at its beginning.

    Raises:
        DataError: The bytes are something else; says in which line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}). "
            f"Convert it, such as with: iconv -f ENCODING -t UTF-8 {source.name}"
        ) from error
