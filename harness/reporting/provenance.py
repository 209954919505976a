"""What made a run, in the words that stand below its numbers."""

from harness.errors import DataError
from harness.files.jsonlines import JsonLines
from harness.runs.manifest import Code, Hardware, Manifest
from harness.runs.rundir import RunDir

PACKAGES = ("torch", "transformers", "deepspeed", "open_clip_torch", "lmms_eval")
"""Their versions may change a number."""
_COMMIT_DIGITS = 12
_HOUR = 3600


def provenance(folder: RunDir) -> dict[str, str]:
    """Return run, code, versions, hardware, training and checkpoint, by name, in this order.

    What the run did not record, as one of an earlier version, is left out.
    """
    facts = {"run": folder.path.name}
    if told := _training(folder):
        facts["training"] = told
    if not folder.manifest.exists():
        return facts
    try:
        manifest = Manifest.read(folder.manifest)
    except DataError as error:
        return facts | {"code": f"not known: {error}"}
    facts["code"] = _code(manifest.code)
    facts["versions"] = _versions(manifest)
    facts["hardware"] = _hardware(manifest.hardware)
    if manifest.checkpoint is not None:
        facts["checkpoint"] = manifest.checkpoint
    return facts


def _training(folder: RunDir) -> str:
    """Return how many steps the training took and how long; nothing where that is not recorded.

    Steps that a kill took back are not in it, nor is what is done before the first step.
    """
    try:
        rows = JsonLines(folder.metrics).read()
        seconds = sum(float(row["seconds"]) for row in rows)
    except (OSError, ValueError, OverflowError, RecursionError, LookupError, TypeError):
        return ""
    return f"{len(rows):,} steps in {seconds / _HOUR:.2f} h" if rows else ""


def _code(code: Code) -> str:
    if code.commit is None:
        return "no git checkout"
    dirty = "with changes that are not committed" if code.dirty else "nothing changed since"
    return f"commit {code.commit[:_COMMIT_DIGITS]}, {dirty}"


def _versions(manifest: Manifest) -> str:
    installed = {_plain(name): version for name, version in manifest.packages.items()}
    named = [f"{name} {installed[_plain(name)]}" for name in PACKAGES if _plain(name) in installed]
    return ", ".join([f"Python {manifest.python}", *named])


def _plain(package: str) -> str:
    """Return a package's name as all its spellings have it."""
    return package.lower().replace("_", "-")


def _hardware(hardware: Hardware) -> str:
    gpus = dict.fromkeys(hardware.gpus)
    if not gpus:
        return f"{hardware.processor}, {hardware.cores} cores"
    return "; ".join(f"{hardware.gpus.count(gpu)} x {gpu}" for gpu in gpus)
