"""Where a checkpoint lies: a local folder, a mirror of the hub, or the hub itself."""

import os
from pathlib import Path
from typing import NamedTuple

from harness.errors import DataError
from harness.files.digests import file_digest, remembered, text_digest
from harness.files.hub_names import MIRROR, on_hub
from harness.models import hub
from harness.models.original.layout import is_original
from harness.models.reading import read_object
from harness.models.verify import check_model
from harness.settings.spec import ModelSpec


class ModelSource(NamedTuple):
    """A folder that holds a checkpoint, and what is known about it."""

    folder: Path
    origin: str
    """`folder`, `mirror` or `hub`."""
    revision: str | None = None
    """The commit of the hub that the files belong to."""
    checked: str = "sizes only"
    """What the files were compared with."""


def model_folder(model: ModelSpec) -> Path:
    """Return a verified local folder of the model in the Hugging Face layout.

    One in the layout of liuhaotian/llava-v1.5-7b is converted once into the cache.

    Raises:
        DataError: It cannot be had, or it is not whole; every problem is listed.
    """
    return located_model(model).folder


def located_model(model: ModelSpec) -> ModelSource:
    """Return the verified folder as `model_folder` does, and whence it came.

    Raises:
        DataError: As `model_folder`.
    """
    found = find(model.path, model.revision)
    problems = check_model(found.folder, model.path if found.origin == "hub" else None)
    if problems:
        raise DataError(_listed(model.path, problems))
    config, _ = read_object(found.folder / "config.json")
    if config is None or not is_original(config):
        return found
    from harness.models.original.convert import converted

    return found._replace(folder=converted(found.folder, config, lambda name: find(name).folder))


def find(path: str, revision: str | None = None) -> ModelSource:
    """Return the folder of a model as it is, before anything in it is looked at.

    A mirror has no commits: there a revision is not looked at.

    Raises:
        DataError: There is none.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return ModelSource(folder, "folder")
    if not on_hub(path) or "@" in path:
        raise DataError(
            f"{path}: there is no such folder. Set model.path to the folder of a model or to "
            "owner/name on the hub, and model.revision to a commit there."
        )
    if mirror := os.environ.get(MIRROR):
        folder = Path(mirror) / path
        if not folder.is_dir():
            raise DataError(
                f"{path}: {MIRROR} is set, and there is no folder {folder}. Put the model there, "
                f"or unset {MIRROR} to use the hub."
            )
        return ModelSource(folder, "mirror")
    snapshot = hub.fetch(path, revision)
    return ModelSource(snapshot.folder, "hub", snapshot.commit, snapshot.checked)


def _listed(path: str, problems: list[str]) -> str:
    return f"{path}: the model cannot be used:" + "".join(f"\n- {one}" for one in problems)


def content_hash(folder: Path) -> str:
    """Return 16 hex digits over the names and contents of the files of a checkpoint.

    They are remembered as long as no file changes: the weights are gigabytes.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())

    def digest() -> str:
        parts = (part for file in files for part in (file.name, bytes.fromhex(file_digest(file))))
        return text_digest(*parts, digits=16)

    names = "/".join(file.name for file in files)
    return remembered(lambda: files, digest, f"checkpoint {names}")
