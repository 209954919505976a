"""The catalogue of published files: what catalogue.yaml may say, and the folders it makes."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.registry import find


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Remote(_Row):
    """One file as somebody publishes it."""

    url: str | None = None
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    size: int | None = None
    """Bytes."""


class Entry(Remote):
    """One file that the harness reads. Exactly one of url, inside, by_hand, made_by says whence."""

    inside: str | None = None
    """Archive or script that holds it; then `member` or `literal` says where."""
    member: str | None = None
    literal: str | None = None
    by_hand: str | None = None
    made_by: str | None = None
    mirror: str | None = None
    """Path in a mirror, where the usual places do not fit."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Entry":
        origins = (self.url, self.inside, self.by_hand, self.made_by)
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("give one of url, inside, by_hand and made_by")
        if (self.inside is None) != (self.member is None and self.literal is None):
            raise ValueError("inside goes with member or literal")
        return self


class Images(_Row):
    """Where the images are that the questions name."""

    url: str | None = None
    inside: str | None = None
    member: str | None = None
    url_field: tuple[str, str] | None = None
    by_hand: str | None = None
    otherwise: str | None = None
    """What to do where an address no longer serves its image."""


class Dataset(_Row):
    """One folder below the data folder."""

    name: str
    licence: str
    optional: bool = False
    """Whether it is fetched and checked only where it is named."""
    mirror: tuple[str, ...] = ()
    archives: Mapping[str, Remote] = Field(default_factory=dict)
    files: Mapping[str, Entry]
    images: Images | None = None

    @model_validator(mode="after")
    def _known_sources(self) -> "Dataset":
        for path, entry in self.files.items():
            safe_path(path)
            known = self.files if entry.literal is not None else self.archives
            if entry.inside is not None and entry.inside not in known:
                raise ValueError(f"{path}: there is no {entry.inside}")
        return self

    def entry_of_image(self, path: str, url: str | None = None) -> Entry:
        """Return the entry of one image; `path` is below the dataset's folder."""
        images = self.images
        if images is None:
            raise ValueError(f"{self.name} has no image files")
        name = PurePosixPath(safe_path(path)).name
        if images.inside is not None:
            member = (images.member or "{name}").format(name=name)
            return Entry(inside=images.inside, member=member)
        if images.by_hand is not None:
            return Entry(by_hand=images.by_hand)
        return Entry(url=url or (images.url or "").format(name=name))


def safe_path(path: str) -> str:
    """Return a relative path, or raise ValueError if it leaves its folder."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts or "\\" in path or "\0" in path:
        raise ValueError(f"{path!r} is no path inside the folder")
    return path


@cache
def catalogue() -> dict[str, Dataset]:
    """Return all datasets by name, as the harness ships them."""
    text = files(__package__).joinpath("catalogue.yaml").read_text("utf-8")
    return {
        name: Dataset.model_validate({"name": name, **row})
        for name, row in yaml.safe_load(text).items()
    }


def chosen(name: str | None) -> list[Dataset]:
    """Return one dataset, or all that are not optional.

    Raises:
        ConfigError: There is no such dataset.
    """
    known = catalogue()
    if name is not None:
        return [find(name, known, "benchmark")]
    return [dataset for dataset in known.values() if not dataset.optional]
