"""The folder for everything that can be made again."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder for everything that can be made again; HARNESS_CACHE moves it."""
    if chosen := os.environ.get("HARNESS_CACHE"):
        folder = Path(chosen)
    else:
        import platformdirs

        folder = platformdirs.user_cache_path("alignment-harness")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
