"""What can be said of a request before its method, and with it torch, is imported."""

import os
from typing import Any

from pydantic import BaseModel, create_model

from harness import registry
from harness.errors import PreflightError
from harness.files.hub_names import on_hub
from harness.planning import preflight
from harness.settings.mixing import places_of
from harness.settings.overrides import parse_overrides
from harness.settings.places import in_world
from harness.settings.preset_files import METHOD, read_preset
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.settings.spec import RunSpec, Strict

_BEGIN = f"{METHOD}."
_ASKS_METHOD = (_BEGIN, "training.batch_pairs")
"""How a key of `--set` begins where the method may refuse the value."""


def require_inputs(request: Request) -> None:
    """Refuse a request whose model or pairs are not there, within the time to read its preset.

    Everything else that stands in its way is told with it, but for what the method itself refuses.

    Raises:
        ConfigError: A value is wrong.
        PreflightError: Something is not there.
    """
    config = None if request.ablate else written_config(request)
    if config is None:
        return
    specs = specs_of(request, config=config)
    if all(map(_is_there, _inputs(specs[0]))):
        return
    here = request.launcher == "local"
    plan = preflight.look(specs, request.out, request.judging, one_machine=here, ask_method=False)
    if found := (*plan.problems, *plan.missing):
        raise PreflightError(preflight.cannot_start(specs, found))


def _inputs(spec: RunSpec) -> tuple[str, ...]:
    return (spec.model.path, *places_of(spec.data.preferences))


def _is_there(place: str) -> bool:
    return in_world(place) or on_hub(place) or os.path.exists(place)


def written_config(request: Request) -> type[BaseModel] | None:
    """Return a configuration that takes the preset's values of the method as they are.

    Importing a method imports torch, which alone takes longer than a plan may. The presets of the
    built-in methods are known to be in order; None where values come from elsewhere and the method
    must check them.
    """
    entry = registry.find(request.method, registry.methods(), "method")
    if entry.distribution != registry.BUILT_IN or any(
        key.startswith(_ASKS_METHOD) for key in parse_overrides(request.overrides)
    ):
        return None
    preset = read_preset(request.method, request.size)
    values = {**preset.values, **preset.variant(request.variant)[1]}
    fields: dict[str, Any] = {
        key.removeprefix(_BEGIN): (Any, origin.value)
        for key, origin in values.items()
        if key.startswith(_BEGIN)
    }
    return create_model("WrittenConfig", __base__=Strict, **fields)
