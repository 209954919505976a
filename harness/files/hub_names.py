"""Names on the hub, and what stands for the hub where there is no network."""

import os
import re

MIRROR = "HARNESS_MIRROR"
"""Environment variable: a folder that holds `<owner>/<name>/` for data sets of the hub."""
SUFFIXES = (".parquet", ".jsonl", ".json")
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")


def on_hub(reference: str) -> bool:
    """Say whether a reference has the form `owner/name[@revision]` and is nothing on this disk."""
    plain = _HUB_NAME.fullmatch(reference) is not None and not reference.endswith(SUFFIXES)
    return plain and not os.path.exists(reference)
