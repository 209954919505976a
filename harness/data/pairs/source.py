"""Where preference data lie: a local path, a mirror of the hub, or the hub itself."""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.files.hub_names import MIRROR, SUFFIXES, on_hub

_IMAGES = ("*.jpg", "*.jpeg", "*.png", "*.webp")


@dataclass(frozen=True)
class Source:
    """The files of one data set."""

    name: str
    """As it was asked for."""
    files: tuple[Path, ...]
    folder: Path
    """Image paths in rows are relative to it, or to `images` in it."""
    trusted: tuple[Path, ...]
    """Resolved folders; an image file outside them is refused."""

    def file_name(self, number: int) -> str:
        """Name of a file as reports show it: its path in the folder."""
        return self.files[number].relative_to(self.folder).as_posix()


def locate(reference: str) -> Source:
    """Find the files of a reference: a file, a folder, or `owner/name[@revision]` on the hub.

    Raises:
        DataError: There is nothing, or nothing that can hold pairs.
    """
    if on_hub(reference):
        return _from_hub(reference)
    path = Path(reference).expanduser()
    if not os.path.exists(path):  # Path's own raises where a name is too long or has a zero byte
        raise DataError(
            f"{reference}: there is no such file or folder. Name a parquet, JSON or JSONL file, a "
            "folder of them, or a data set on the hub as owner/name."
        )
    return _from_path(reference, path)


def _from_path(reference: str, path: Path) -> Source:
    folder = path if path.is_dir() else path.parent
    files = (path,) if path.is_file() else _data_files(path)
    return Source(reference, files, folder, _roots(folder))


def _roots(folder: Path) -> tuple[Path, ...]:
    """Resolve the folder and `images` in it, which may be a link to where the images are."""
    return tuple(root.resolve() for root in (folder, folder / "images") if root.is_dir())


def _data_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of the first kind that is there, in name order."""
    for suffix in SUFFIXES:
        found = [
            file
            for file in folder.rglob(f"*{suffix}")
            if not any(part.startswith(".") for part in file.relative_to(folder).parts)
            and not file.is_dir()
        ]
        if found:
            return tuple(sorted(found))
    raise DataError(
        f"{folder}: no {', '.join(SUFFIXES)} file in this folder. Name the folder that holds them."
    )


def _from_hub(reference: str) -> Source:
    name, _, revision = reference.partition("@")
    mirror = os.environ.get(MIRROR)
    if mirror:
        path = Path(mirror) / name
        if not path.is_dir():
            raise DataError(
                f"{reference}: {MIRROR} is set, and there is no folder {path}. Put the data set "
                f"there, or unset {MIRROR} to use the hub."
            )
        return _from_path(reference, path)
    snapshot = _fetched(name, revision or None)
    found = _from_path(reference, snapshot)
    # The hub's cache keeps contents in `blobs` and puts links to them into `snapshots`.
    return Source(reference, found.files, snapshot, (snapshot.resolve().parents[1],))


def _fetched(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    patterns = [*(f"*{suffix}" for suffix in SUFFIXES), *_IMAGES]
    try:
        return Path(
            snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=patterns)
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise DataError(
            f"{name}{at}: cannot be fetched from the hub ({error}). Check the name and the "
            f"network, give a local path, or set HF_ENDPOINT to a mirror or {MIRROR} to a "
            f"folder that holds {name}/."
        ) from error
