"""What made a run, in the words that stand below its numbers."""

import json
from collections.abc import Mapping
from typing import Any

from harness.runs.rundir import RunDir

PACKAGES = ("torch", "transformers", "deepspeed", "open_clip_torch", "lmms_eval")
"""Their versions may change a number."""
_COMMIT_DIGITS = 12


def provenance(folder: RunDir) -> dict[str, str]:
    """Return run, code, versions, hardware and checkpoint of a run, by name, in this order.

    What the run did not record, as one of an earlier version, is left out.
    """
    facts = {"run": folder.path.name}
    if not folder.manifest.exists():
        return facts
    manifest: Mapping[str, Any] = json.loads(folder.manifest.read_text("utf-8"))
    facts["code"] = _code(manifest["code"])
    facts["versions"] = _versions(manifest)
    facts["hardware"] = _hardware(manifest["hardware"])
    if checkpoint := manifest.get("checkpoint"):
        facts["checkpoint"] = str(checkpoint)
    return facts


def _code(code: Mapping[str, Any]) -> str:
    if code["commit"] is None:
        return "no git checkout"
    dirty = "with changes that are not committed" if code["dirty"] else "nothing changed since"
    return f"commit {code['commit'][:_COMMIT_DIGITS]}, {dirty}"


def _versions(manifest: Mapping[str, Any]) -> str:
    installed = {_plain(name): version for name, version in manifest["packages"].items()}
    named = [f"{name} {installed[_plain(name)]}" for name in PACKAGES if _plain(name) in installed]
    return ", ".join([f"Python {manifest['python']}", *named])


def _plain(package: str) -> str:
    """Return a package's name as all its spellings have it."""
    return package.lower().replace("_", "-")


def _hardware(hardware: Mapping[str, Any]) -> str:
    gpus = dict.fromkeys(hardware["gpus"])
    if not gpus:
        return f"{hardware['processor']}, {hardware['cores']} cores"
    return "; ".join(f"{hardware['gpus'].count(gpu)} x {gpu}" for gpu in gpus)
