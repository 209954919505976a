"""What can be said of a request before its method, and with it torch, is imported."""

import os

from pydantic import BaseModel

from harness.errors import PreflightError
from harness.files.hub_names import on_hub
from harness.planning import preflight
from harness.settings.mixing import places_of
from harness.settings.places import in_world
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.settings.spec import RunSpec
from harness.settings.written import written_config


def require_inputs(request: Request) -> None:
    """Refuse a request whose model or pairs are not there, within the time to read its preset.

    Everything else that stands in its way is told with it, but for what the method itself refuses.

    Raises:
        ConfigError: A value is wrong.
        PreflightError: Something is not there.
    """
    config = None if request.ablate else _config(request)
    if config is None:
        return
    specs = specs_of(request, config=config)
    if all(map(_is_there, _inputs(specs[0]))):
        return
    here = request.launcher == "local"
    plan = preflight.look(specs, request.out, request.judging, one_machine=here, ask_method=False)
    if found := (*plan.problems, *plan.missing):
        raise PreflightError(preflight.cannot_start(specs, found))


def _config(request: Request) -> type[BaseModel] | None:
    return written_config(request.method, request.size, request.variant, request.overrides)


def _inputs(spec: RunSpec) -> tuple[str, ...]:
    return (spec.model.path, *places_of(spec.data.preferences))


def _is_there(place: str) -> bool:
    return in_world(place) or on_hub(place) or os.path.exists(place)
