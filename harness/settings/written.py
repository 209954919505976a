"""A method's configuration as its presets have it, without importing the method."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, create_model

from harness import registry
from harness.settings.overrides import parse_overrides
from harness.settings.preset_files import METHOD, read_preset
from harness.settings.spec import Strict

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
