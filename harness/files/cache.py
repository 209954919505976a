"""The folder for everything that can be made again."""

import os
from pathlib import Path

from harness.errors import ConfigError

VARIABLE = "HARNESS_CACHE"


def cache_dir() -> Path:
    """Return the folder for everything that can be made again; HARNESS_CACHE moves it.

    Raises:
        ConfigError: It is not there and cannot be made.
    """
    folder = cache_place()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The cache {folder} cannot be made ({error.strerror or error}). Let {VARIABLE} name a "
            "folder that can be written to."
        ) from error
    return folder.resolve()


def cache_place() -> Path:
    """Return where that folder lies or would lie."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("alignment-harness")
