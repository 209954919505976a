"""Resolve method, size, variant and overrides to a run specification.

Layers, from low to high: defaults of the fields, preset, variant, row of an ablation table,
`--set key=value`, other flags.
Every value of the result remembers which layer gave it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from harness import registry
from harness.errors import ConfigError, MissingPackage
from harness.files.digests import remembered
from harness.files.sources import source_files
from harness.settings.overrides import parse_overrides
from harness.settings.places import uses_world
from harness.settings.preset_files import (
    DEFAULT,
    METHOD,
    SECTIONS,
    Origin,
    built_in_presets,
    read_preset,
)
from harness.settings.request import Request
from harness.settings.spec import RunSpec
from harness.settings.written import checked_config, written_config

OVERRIDE = "--set"
"""Source of a value that a call replaced."""


@dataclass(frozen=True)
class Resolved:
    """A specification, and for every dotted key the origin of its value."""

    spec: RunSpec
    origins: Mapping[str, Origin]

    @property
    def overridden(self) -> dict[str, Origin]:
        """The values that the call replaced."""
        return {key: origin for key, origin in self.origins.items() if origin.source == OVERRIDE}


def specs_of(
    request: Request,
    *,
    ablation: Mapping[str, Origin] | None = None,
    config: type[BaseModel] | None = None,
) -> list[RunSpec]:
    """Return the specification of every world and seed of a request, see `resolve`.

    Raises:
        ConfigError: As `resolve` says, or worlds are asked for where there are none.
    """
    specs = [
        resolve(
            request.method,
            request.size,
            request.variant,
            request.overrides,
            seed=seed,
            world=world,
            devices=request.devices,
            ablation=ablation,
            config=config,
        ).spec
        for world in request.worlds
        for seed in request.seeds
    ]
    if any(request.worlds) and not uses_world(specs[0]):
        raise ConfigError(
            f"--worlds: size {request.size!r} reads nothing of a tiny world, so there is one of it."
        )
    return specs


def resolve(
    method: str,
    size: str,
    variant: str | None = None,
    overrides: Sequence[str] = (),
    *,
    seed: int = 0,
    world: int = 0,
    devices: int | None = None,
    ablation: Mapping[str, Origin] | None = None,
    config: type[BaseModel] | None = None,
) -> Resolved:
    """Lay preset, variant, overrides (`key=value`) and flags over each other and check the result.

    The values of a row of an ablation table lie between variant and overrides. A `config` stands
    for the method's own, which is then not imported.

    Raises:
        ConfigError: A name is unknown or values are wrong; all wrong values are listed.
    """
    entry = registry.find(method, registry.methods(), "method")
    asked = _Asked(method, size, variant, tuple(overrides), seed, world, devices, ablation or {})
    if config is not None or entry.distribution != registry.BUILT_IN:
        return _resolved(asked, config or registry.load_method(method).config)

    # Importing a method imports torch: longer than all else where nothing is left to do, or where
    # only a judge is new. So what the method says of its own values is remembered.
    own = asked.of_method

    def made() -> str:
        real = registry.load_method(method).config
        try:
            return _written(_resolved(own, real))
        except ConfigError:
            _resolved(asked, real)  # which tells of everything that is wrong
            raise

    try:
        text = remembered(lambda: _decides(entry), made, f"resolved {own}")
    except MissingPackage:
        if (written := written_config(method, size, variant, overrides)) is None:
            raise
        return _resolved(asked, written)
    known = _read(text)
    return _resolved(asked, checked_config(known.spec, known.origins))


class _Asked(NamedTuple):
    """The words of `resolve`."""

    method: str
    size: str
    variant: str | None
    overrides: tuple[str, ...]
    seed: int
    world: int
    devices: int | None
    ablation: Mapping[str, Origin]

    @property
    def drawn(self) -> dict[str, int]:
        return {"seed": self.seed, "world": self.world}

    @property
    def of_method(self) -> "_Asked":
        """The words that decide the method's own values."""
        overrides = tuple(one for one in self.overrides if one.startswith(f"{METHOD}."))
        ablation = {key: one for key, one in self.ablation.items() if key.startswith(f"{METHOD}.")}
        return _Asked(self.method, self.size, self.variant, overrides, 0, 0, None, ablation)


def _decides(entry: registry.Entry) -> Iterator[Path]:
    """Yield the files that decide how the words of a built-in method are resolved."""
    yield from source_files(entry.module).values()
    yield from sorted(Path(__file__).parent.glob("*.py"))
    yield from sorted(built_in_presets())


def _written(resolved: Resolved) -> str:
    origins = {key: [one.value, one.source] for key, one in resolved.origins.items()}
    return json.dumps([resolved.spec.model_dump(mode="json"), origins])


def _read(text: str) -> Resolved:
    spec, origins = json.loads(text)
    return Resolved(
        RunSpec.model_validate(spec), {key: Origin(*one) for key, one in origins.items()}
    )


def _resolved(asked: _Asked, config: type[BaseModel]) -> Resolved:
    method, size, devices = asked.method, asked.size, asked.devices
    known = known_keys(config)
    title = f"preset {method}-{size}"
    preset = read_preset(method, size)
    variant, above = preset.variant(asked.variant)
    values = {**preset.values, **above, **asked.ablation}
    for key in values:
        _require(key, known, title)
    for key, value in parse_overrides(asked.overrides).items():
        _require(key, known, OVERRIDE)
        values[key] = Origin(value, OVERRIDE)
    if devices is not None:
        values["training.devices"] = Origin(devices, "--devices")
    run = {"method": method, "size": size, "variant": variant, **asked.drawn}
    spec = _checked(run, config, values)
    return Resolved(spec, dict(_origins(spec, values, known)))


def known_keys(config: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the field of every dotted key that a preset or `--set` may give."""
    keys = dict(_fields(config, METHOD))
    for section in SECTIONS:
        if section != METHOD:
            keys.update(_fields(RunSpec.model_fields[section].annotation, section))
    return keys


def _require(key: str, known: Mapping[str, FieldInfo], where: str) -> None:
    if key not in known:
        section = key.partition(".")[0]
        near = [name for name in known if name.startswith(f"{section}.")] or list(known)
        raise ConfigError(f"{where}: unknown key {key!r}. {registry.hint(key, near)}")


def _fields(annotation: Any, key: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in annotation.model_fields.items():
        below = info.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            yield from _fields(below, f"{key}.{name}")
        else:
            yield f"{key}.{name}", info


def _checked(
    run: Mapping[str, Any], config: type[BaseModel], values: Mapping[str, Origin]
) -> RunSpec:
    tree = _nested({key: origin.value for key, origin in values.items()})
    wrong: list[str] = []
    settings: dict[str, Any] = {}
    per_device = False
    try:
        checked = config.model_validate(tree.pop(METHOD, {}))
        settings = checked.model_dump(mode="json")
        # What stands for a method's configuration without importing it says nothing of devices.
        per_device = bool(getattr(checked, "per_device", False))
    except ValidationError as error:
        wrong += _problems(error, f"{METHOD}.", values)
    try:
        spec = RunSpec.model_validate({**tree, **run, "config": settings, "per_device": per_device})
    except ValidationError as error:
        wrong += _problems(error, "", values)
    else:
        wrong += _unknown_benchmarks(spec)
    if wrong:
        listed = "\n  ".join(wrong)
        raise ConfigError(f"{run['method']}-{run['size']} cannot run as asked:\n  {listed}")
    return spec


def _unknown_benchmarks(spec: RunSpec) -> list[str]:
    known = registry.benchmarks()
    return [
        f"evaluation.benchmarks: unknown {name!r}. {registry.hint(name, known)}"
        for name in spec.evaluation.benchmarks
        if name not in known
    ]


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def _problems(error: ValidationError, prefix: str, values: Mapping[str, Origin]) -> Iterator[str]:
    """Yield one line per wrong value; a union reports each of its members, told together."""
    messages: dict[str, list[str]] = {}
    for problem in error.errors():
        full = prefix + ".".join(str(part) for part in problem["loc"])
        key = next((known for known in values if f"{full}.".startswith(f"{known}.")), full)
        messages.setdefault(key, []).append(problem["msg"])
    for key, told in messages.items():
        given = f" = {values[key].value!r} ({values[key].source})" if key in values else ""
        yield f"{key}{given}: {'; or: '.join(told)}"


def _origins(
    spec: RunSpec, values: Mapping[str, Origin], known: Mapping[str, FieldInfo]
) -> Iterator[tuple[str, Origin]]:
    tree = spec.model_dump(mode="json")
    tree[METHOD] = tree["config"]
    for key, info in known.items():
        value: Any = tree
        for part in key.split("."):
            value = value[part]
        given = values.get(key)
        yield key, Origin(value, given.source if given else f"{DEFAULT}{info.description}")
