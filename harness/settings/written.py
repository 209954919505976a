"""A method's configuration as its presets have it, without importing the method."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, Field, create_model, model_validator

from harness import registry
from harness.settings.overrides import parse_overrides
from harness.settings.preset_files import DEFAULT, METHOD, Origin, read_preset
from harness.settings.spec import RunSpec, Strict

_BEGIN = f"{METHOD}."
_ASKS_METHOD = (_BEGIN, "training.batch_pairs")
"""How a key of `--set` begins where the method may refuse the value."""


def written_config(
    method: str, size: str, variant: str | None, overrides: Sequence[str]
) -> type[BaseModel] | None:
    """Return a configuration that takes the preset's values of a method as they are.

    Importing a method imports torch, which takes longer than a plan may and is not installed with
    the core. The presets of the built-in methods are known to be in order and to name every
    value; None where values come from elsewhere and the method must check them.
    """
    entry = registry.find(method, registry.methods(), "method")
    if entry.distribution != registry.BUILT_IN or any(
        key.startswith(_ASKS_METHOD) for key in parse_overrides(overrides)
    ):
        return None
    preset = read_preset(method, size)
    values = {**preset.values, **preset.variant(variant)[1]}
    fields: dict[str, Any] = {
        key.removeprefix(_BEGIN): (Any, origin.value)
        for key, origin in values.items()
        if key.startswith(_BEGIN)
    }
    return create_model("WrittenConfig", __base__=Strict, **fields)


class _Checked(BaseModel):
    """Has the values that the method checked, whatever is laid over them again."""

    per_device: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _as_checked(cls, values: object) -> dict[str, Any]:
        return {}


def checked_config(spec: RunSpec, origins: Mapping[str, Origin]) -> type[BaseModel]:
    """Return a configuration that holds the values of a method as a specification has them.

    Args:
        spec: What the method's own configuration made of the same words.
        origins: For every dotted key the origin of its value.
    """
    fields: dict[str, Any] = {
        name: (Any, Field(default=value, description=_description(origins[f"{_BEGIN}{name}"])))
        for name, value in spec.config.items()
    }
    config: type[_Checked] = create_model("CheckedConfig", __base__=_Checked, **fields)
    config.per_device = spec.per_device
    return config


def _description(origin: Origin) -> str | None:
    return origin.source.removeprefix(DEFAULT) if origin.source.startswith(DEFAULT) else None
