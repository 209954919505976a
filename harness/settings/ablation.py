"""The ablation table of a method: which runs are its rows."""

from dataclasses import dataclass

from harness.errors import ConfigError
from harness.registry import load_method
from harness.settings.preset_files import Ablation, Origin, read_preset
from harness.settings.request import Request
from harness.settings.resolve import known_keys, parse_override, resolve
from harness.settings.spec import RunSpec
from harness.world.places import locate_spec


@dataclass(frozen=True)
class AblationRow:
    """One row: ordinary runs, one per seed of the request."""

    label: str
    specs: tuple[RunSpec, ...]
    changes: tuple[tuple[str, Origin], ...]
    """What the row has other than the method asked for, with the source of that reading."""

    def located(self) -> "AblationRow":
        """Return the row with every place of its runs located."""
        return AblationRow(self.label, tuple(map(locate_spec, self.specs)), self.changes)


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
    method, variant, overrides = request.method, request.variant, request.overrides
    changes = tuple(ablation.values.items())
    if ablation.method:
        method, variant = str(ablation.method.value), None
        overrides = _shared(request, method)
        changes = (("method", ablation.method),)
    specs = tuple(
        resolve(
            method,
            request.size,
            variant,
            overrides,
            seed=seed,
            devices=request.devices,
            ablation=ablation.values,
        ).spec
        for seed in request.seeds
    )
    return AblationRow(label, specs, changes)


def _shared(request: Request, method: str) -> tuple[str, ...]:
    """Return the overrides that another method knows as well."""
    asked = known_keys(load_method(request.method).config)
    known = known_keys(load_method(method).config)
    return tuple(text for text in request.overrides if parse_override(text, asked)[0] in known)
