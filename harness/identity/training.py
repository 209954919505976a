"""What decides a training: its settings, the method's code, and the contents that it reads."""

import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.console import Tracker, track
from harness.data.columns.catalog import code_of_packages, computable, token_columns_in
from harness.data.pairs.opening import selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError
from harness.files.digests import content_digest
from harness.files.hub_names import cached_commit, is_here
from harness.files.sources import source_digest
from harness.models.sources import content_hash, find
from harness.registry import method_module
from harness.settings.method_columns import columns_of, token_columns_of
from harness.settings.mixing import PLUS, MixedSource, places_of, sources_of
from harness.settings.spec import DataSpec, HardnessSpec, RunSpec

_LOCAL_CLIP = "local-dir:"
_QUIET_S = 2.0
"""Seconds before progress is shown."""


def training_identity(spec: RunSpec) -> dict[str, Any]:
    """Return everything that decides what a run trains, as JSON; every place of `spec` is located.

    Contents stand in it as hashes, so that neither places nor users matter.

    Raises:
        DataError: Something is not there, or damaged.
    """
    values = spec.settings()
    values["method"]["source"] = source_digest(method_module(spec.method))
    values["model"]["content"] = content_hash(find(spec.model.path, spec.model.revision).folder)
    pairs = _pairs(spec.data)
    values["data"]["content"] = pairs.digest
    tokens = token_columns_of(spec.method) - set(token_columns_in(pairs))
    if computed := (columns_of(spec.method) - set(pairs.columns)) | tokens:
        values["data"]["hardness"]["clip"] = _clip(spec.data.hardness.clip)
        code = code_of_packages(computed)
        if code:
            values["data"]["columns"] = code
        if ours := (tokens - code.keys()) & computable().keys():
            values["data"]["token_columns"] = _decided(ours, pairs.digest, spec.data.hardness)
    else:  # the method reads no column, or the data hold it
        del values["data"]["hardness"]
    return values


def _decided(names: Iterable[str], data: str, hardness: HardnessSpec) -> dict[str, Any]:
    """Return what decides the spans of token columns of ours."""
    from harness.data.columns.computing import decided_by

    return {name: decided_by(name, data, hardness) for name in sorted(names)}


def pinned(spec: RunSpec) -> RunSpec:
    """Return the specification with the commits of what lies in the hub's cache.

    So that a name means the same in every process of a run, whatever the hub gets meanwhile.
    """
    model, preferences = spec.model, spec.data.preferences
    if commit := cached_commit(model.path, "model", model.revision):
        model = model.model_copy(update={"revision": commit})
    preferences = PLUS.join(map(_with_commit, sources_of(preferences)))
    data = spec.data.model_copy(update={"preferences": preferences})
    return spec.model_copy(update={"model": model, "data": data})


def _with_commit(source: MixedSource) -> str:
    place = source.place
    if "@" not in place and (commit := cached_commit(place, "dataset")):
        place = f"{place}@{commit}"
    return str(source.model_copy(update={"place": place}))


def inputs_are_here(spec: RunSpec) -> bool:
    """Say whether model and pairs are here, so that nothing would be fetched to look at them."""
    model = is_here(spec.model.path, "model", spec.model.revision)
    return model and all(is_here(place, "dataset") for place in places_of(spec.data.preferences))


def _pairs(data: DataSpec) -> Preferences:
    """Open the selected pairs; progress is shown where they are long to read for the first time."""
    with ExitStack() as stack:
        shown: list[Tracker] = []
        started = time.monotonic()

        def advance(rows: int) -> None:
            if not shown and time.monotonic() - started > _QUIET_S:
                shown.append(stack.enter_context(track("read pairs")))
            for tracker in shown:
                tracker.advance(rows)

        return selected_pairs(data, advance)


def _clip(reference: str) -> str:
    """Return a hash of a local CLIP, and any other by its name, which open_clip pins."""
    if not reference.startswith(_LOCAL_CLIP):
        return reference
    folder = Path(reference.removeprefix(_LOCAL_CLIP))
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not files:
        raise DataError(f"data.hardness.clip {reference}: there is no file in this folder.")
    return content_digest(lambda: files)[:16]
