"""Models of the hub: brought into its own cache, one commit at a time, and compared with it."""

from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.digests import text_digest
from harness.files.hub_names import MIRROR
from harness.files.locks import FileLock
from harness.models.original.layout import is_original
from harness.models.reading import read_object

_FILES = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
_PICKLES = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
_CLIP_TYPES = ("clip", "clip_vision_model")

COMPARED = "hashes of the hub"
NOT_COMPARED = "sizes only, the hub was not asked"


class Snapshot(NamedTuple):
    """The files of one commit."""

    folder: Path
    commit: str
    checked: str
    """COMPARED or NOT_COMPARED."""


def fetch(name: str, revision: str | None) -> Snapshot:
    """Bring a model, or find it in the hub's cache when the hub cannot be asked.

    Without a revision the hub names its newest commit once, here. Pickles are only brought where
    they can be read: for the original LLaVA layout and its CLIP.

    Raises:
        DataError: It cannot be had, or a file is not the published one.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_FILES)))
        if _pickled(folder):
            snapshot_download(name, revision=folder.name, allow_patterns=list(_PICKLES))
    except (HfHubHTTPError, OSError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise DataError(
            f"{name}{at}: no such folder, and the model cannot be fetched from the hub ({error}). "
            f"Check the name and the network, run `{again(name, revision)}` where there is one, "
            f"give a local folder, or set HF_ENDPOINT to a mirror or {MIRROR} to a folder that "
            f"holds {name}/."
        ) from error
    return Snapshot(folder, folder.name, _compare(name, folder))


def again(name: str, revision: str | None) -> str:
    """Return the command that fetches a model."""
    return f"hf download {name}" + (f" --revision {revision}" if revision else "")


def _pickled(folder: Path) -> bool:
    config, _ = read_object(folder / "config.json")
    if config is None or any(folder.glob("*.safetensors")):
        return False
    return is_original(config) or config.get("model_type") in _CLIP_TYPES


def _compare(name: str, folder: Path) -> str:
    """Compare all files with the hub's hashes, once for as long as none of them changes.

    Raises:
        DataError: Some are others; all of them are listed.
    """
    mark = cache_dir() / "models" / "verified" / _state(folder)
    if mark.exists():  # no lock without need: where all is there, the cache may be read-only
        return COMPARED
    mark.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(mark.with_name(f".{mark.name}.lock")):
        if mark.exists():
            return COMPARED
        differing = _differing(name, folder)
        if differing is None:
            return NOT_COMPARED
        if differing:
            listed = "".join(f"\n- {line}" for line in differing)
            raise DataError(
                f"{name} at {folder.name}: these files are not the published ones. Remove them and "
                f"run: {again(name, folder.name)}{listed}"
            )
        write_text(mark, f"{name} {folder.name}\n")
    return COMPARED


def _differing(name: str, folder: Path) -> list[str] | None:
    """Return the files whose hash is not the hub's; None when the hub cannot be asked."""
    from huggingface_hub import HfApi

    # The error of whichever HTTP library it uses.
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    try:
        found = HfApi().verify_repo_checksums(name, revision=folder.name)
    except (OfflineModeIsEnabled, HTTPError):
        return None
    return [
        f"{(folder / one['path']).resolve()} ({one['path']}): {one['algorithm']} {one['actual']}, "
        f"published is {one['expected']}"
        for one in found.mismatches
    ]


def _state(folder: Path) -> str:
    """Hash names, sizes and times of the files."""
    files = {file: file.stat() for file in folder.rglob("*") if file.is_file()}
    lines = (
        f"{file.relative_to(folder)} {there.st_size} {there.st_mtime_ns}\n"
        for file, there in sorted(files.items())
    )
    return text_digest(str(folder.resolve()), *lines, digits=32)
