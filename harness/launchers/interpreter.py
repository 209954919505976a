"""What the Python processes that this program starts import: this package, wherever they start."""

import os
import site
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])
"""Folder that holds this package: a checkout, or where it is installed."""


def safe_paths() -> dict[str, str]:
    """Return variables under which a child imports nothing from its working folder.

    `python -m` looks there first, so that a `yaml.py` or a folder `methods` of the user's would be
    taken for ours. A checkout that was found in that way is named instead.
    """
    stated = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # An empty entry, as in PYTHONPATH=$PYTHONPATH:DIR, means the working folder too.
    paths = dict.fromkeys(path for path in (*_checkout(), *stated) if path)
    return {"PYTHONSAFEPATH": "1"} | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


def _checkout() -> list[str]:
    """Return the folder of this package, if it is not one that every Python looks into."""
    installed = {*site.getsitepackages(), site.getusersitepackages()}
    return [] if _ROOT in installed else [_ROOT]
