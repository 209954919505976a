"""A folder that holds published files, for machines without a network."""

import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import ConfigError
from harness.files.digests import file_digest
from harness.upstream.catalogue import Remote
from harness.upstream.transfer import Note, Unavailable


class Mirror:
    """Files of a folder instead of the network.

    A file is looked for under the path that it has in a data folder, then under the path of its
    address (with and without the host), and, if its hash is known, under its name anywhere.

    Raises:
        ConfigError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f"--mirror {folder}: there is no such folder.")
        self.name = f"the mirror {folder}"
        self._folder = folder

    def bring(self, remote: Remote, places: Sequence[str], partial: Path, note: Note) -> str:
        """Copy to `partial` and return where it was.

        Args:
            remote: The file that is wanted.
            places: Paths below the folder, best first; the last parts of them are its names.
            partial: Path of the copy.
            note: Told how much is here.

        Raises:
            Unavailable: No such file is there, or only with other content.
        """
        found = [path for path in self._candidates(remote, places) if path.is_file()]
        for path in found:
            if remote.sha256 in (None, file_digest(path)):
                shutil.copyfile(path, partial)
                note(partial.stat().st_size, remote.size)
                return str(path)
        if found:
            raise Unavailable(f"{found[0]} has another content than the published file")
        raise Unavailable(f"it is not in {self.name}")

    def _candidates(self, remote: Remote, places: Sequence[str]) -> list[Path]:
        paths = list(places)
        if remote.url is not None:
            address = urlsplit(remote.url)
            path = unquote(address.path).lstrip("/")
            if ".." not in path.split("/"):
                paths += [f"{address.netloc}/{path}", path]
        found = [self._folder / path for path in paths]
        if remote.sha256 is not None:
            names = dict.fromkeys(path.rsplit("/", 1)[-1] for path in paths)
            found += [path for name in names for path in self._by_name.get(name, ())]
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        names: dict[str, list[Path]] = {}
        for folder, _, files in os.walk(self._folder):
            for file in sorted(files):
                names.setdefault(file, []).append(Path(folder) / file)
        return names
