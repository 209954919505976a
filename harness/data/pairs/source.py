"""Where preference data lie: a local path, a mirror of the hub, or the hub itself."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.files.hub_names import MIRROR, SUFFIXES, on_hub

_IMAGES = ("*.jpg", "*.jpeg", "*.png", "*.webp")
_DESCRIPTION = "dataset_info.json"
"""LLaMA-Factory's, and that of `datasets.save_to_disk`; it holds no rows in either."""
_SAVED, _SPLITS = "state.json", "dataset_dict.json"


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
    described: Mapping[str, Any] | None = None
    """What LLaMA-Factory's `dataset_info.json` beside the files says of them."""

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
            f"{reference}: there is no such file or folder. Name a parquet, JSON, JSONL, CSV or "
            "tar file, a folder of them, or a data set on the hub as owner/name."
        )
    return _from_path(reference, path)


def _from_path(reference: str, path: Path) -> Source:
    folder = path if path.is_dir() else path.parent
    files = (path,) if path.is_file() else _saved(path) or _data_files(path)
    return Source(reference, files, folder, _roots(folder), _description(folder, files))


def _saved(folder: Path) -> tuple[Path, ...]:
    """Return the files of a data set that `datasets.save_to_disk` wrote; none if it is no such.

    Raises:
        DataError: It has several splits.
    """
    if (folder / _SPLITS).is_file():
        splits = _read(folder / _SPLITS).get("splits") or []
        if len(splits) != 1:
            raise DataError(
                f"{folder}: holds the splits {', '.join(map(str, splits))}. Name one: "
                f"{folder / str(splits[0] if splits else 'train')}."
            )
        folder = folder / str(splits[0])
    if not (folder / _SAVED).is_file():
        return ()
    listed = _read(folder / _SAVED).get("_data_files") or []
    return tuple(folder / str(one["filename"]) for one in listed if isinstance(one, dict))


def _description(folder: Path, files: tuple[Path, ...]) -> Mapping[str, Any] | None:
    """Return the entry of the files in LLaMA-Factory's `dataset_info.json`, if there is one."""
    if not (folder / _DESCRIPTION).is_file() or (folder / _SAVED).is_file():
        return None
    entries = _read(folder / _DESCRIPTION).values()
    names = {file.relative_to(folder).as_posix() for file in files}
    return next(
        (
            entry
            for entry in entries
            if isinstance(entry, dict) and names <= {entry.get("file_name")}
        ),
        None,
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read ({error}). Repair or remove it.") from error
    return found if isinstance(found, dict) else {}


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
            and file.name != _DESCRIPTION
        ]
        if found:
            return tuple(sorted(found))
    raise DataError(
        f"{folder}: no {', '.join(SUFFIXES[:3])} file in this folder, and no "
        f"{', '.join(SUFFIXES[3:])}. Name the folder that holds them."
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
    trusted = (snapshot.resolve().parents[1],)
    return Source(reference, found.files, snapshot, trusted, found.described)


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
