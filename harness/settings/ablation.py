"""The ablation table of a method: which runs are its rows."""

from dataclasses import dataclass

from harness.errors import ConfigError
from harness.registry import load_method
from harness.settings.preset_files import Ablation, Origin, read_preset
from harness.settings.request import Request
from harness.settings.resolve import known_keys, resolve, specs_of
from harness.settings.spec import RunSpec


@dataclass(frozen=True)
class AblationRow:
    """One row: ordinary runs, one per seed of the request."""

    label: str
    specs: tuple[RunSpec, ...]
    changes: tuple[tuple[str, Origin], ...]
    """What the row has other than the method asked for, with the source of that reading."""


def ablation_rows(request: Request) -> tuple[AblationRow, ...]:
    """Return the rows that the method's preset declares, in its order.

    `--set` holds for every row. A row that is another method takes the values that it knows.

    Raises:
        ConfigError: The preset declares none, or a row cannot run as asked.
    """
    ablations = read_preset(request.method, request.size).ablations
    if not ablations:
        raise ConfigError(
            f"The preset of {request.method} at size {request.size} declares no ablations, so "
            "there is no table to make. Leave --ablate out, or add a section `ablations` to it."
        )
    return tuple(_row(label, ablation, request) for label, ablation in ablations.items())


def _row(label: str, ablation: Ablation, request: Request) -> AblationRow:
    if ablation.method is None:
        specs = specs_of(request, ablation=ablation.values)
        return AblationRow(label, tuple(specs), tuple(ablation.values.items()))
    method = str(ablation.method.value)
    other = request.model_copy(update={"method": method, "variant": None, "overrides": ()})
    specs = specs_of(other, ablation=_shared(request, method))
    return AblationRow(label, tuple(specs), (("method", ablation.method),))


def _shared(request: Request, method: str) -> dict[str, Origin]:
    """Return what the call replaced and another method knows as well."""
    asked = resolve(request.method, request.size, request.variant, request.overrides).overridden
    known = known_keys(load_method(method).config) if asked else {}
    return {key: origin for key, origin in asked.items() if key in known}
