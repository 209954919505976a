"""The families of models by name; nothing of them is imported."""

from collections.abc import Mapping
from typing import NamedTuple

from harness.errors import ConfigError


class Entry(NamedTuple):
    """Where a family is, and how its models are spoken to."""

    target: str
    """As `module:attribute`."""
    templates: tuple[str, ...]
    """Conversation templates that its models can read."""


FAMILIES: Mapping[str, Entry] = {
    "llava": Entry("harness.models.llava:Llava", ("vicuna_v1", "llava_v1")),
    "qwen2_5_vl": Entry("harness.models.qwen2_5_vl:Qwen25VL", ("qwen2_5_vl",)),
}
"""By `model_type` in config.json."""


def check_template(model_type: str, template: str) -> None:
    """Refuse a template whose special tokens a family does not know.

    Raises:
        ConfigError: It is another family's.
    """
    known = FAMILIES[model_type].templates
    if template not in known:
        raise ConfigError(
            f"model.template {template} is not one for models of the type {model_type}. Set it to "
            f"{' or '.join(known)}."
        )
