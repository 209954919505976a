"""Names on the hub, and what stands for the hub where there is no network."""

import os
import re
from pathlib import Path

MIRROR = "HARNESS_MIRROR"
"""Environment variable: a folder that holds `<owner>/<name>/` for data sets of the hub."""
SUFFIXES = (
    *(".parquet", ".jsonl", ".json"),
    *(f".{name}.{packed}" for name in ("jsonl", "json") for packed in ("gz", "zst")),
    *(".csv", ".tsv", ".csv.gz", ".tar", ".tar.gz", ".arrow"),
)
"""Of files that may hold pairs, in the order in which a folder is looked through."""
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")


def on_hub(reference: str) -> bool:
    """Say whether a reference has the form `owner/name[@revision]` and is nothing on this disk."""
    plain = _HUB_NAME.fullmatch(reference) is not None and not reference.endswith(SUFFIXES)
    return plain and not os.path.exists(reference)


def is_here(reference: str, kind: str, revision: str | None = None) -> bool:
    """Say whether a `model` or `dataset` is on this disk, so that nothing would be fetched.

    Args:
        reference: A path, or a name as `on_hub` takes it.
        kind: What it would be on the hub.
        revision: A commit, tag or branch there; None for what `reference` says, or the newest.
    """
    if not on_hub(reference):
        return os.path.exists(os.path.expanduser(reference))
    if mirror := os.environ.get(MIRROR):
        return (Path(mirror) / reference.partition("@")[0]).is_dir()
    return cached_commit(reference, kind, revision) is not None


def cached_commit(reference: str, kind: str, revision: str | None = None) -> str | None:
    """Return the commit of a name that lies in the hub's cache; None where none does.

    With a mirror there are no commits.
    """
    if not on_hub(reference) or os.environ.get(MIRROR):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name, _, named = reference.partition("@")
    try:
        folder = snapshot_download(
            name, repo_type=kind, revision=revision or named or None, local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    return Path(folder).name
