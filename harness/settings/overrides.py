"""`--set key=value`: what a call replaces of a preset."""

from collections.abc import Sequence
from typing import Any

import yaml

from harness.errors import ConfigError


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values by dotted key, the last one of a key alone; a value is YAML.

    Whether there is such a key is not asked here.

    Raises:
        ConfigError: One of them is not `key=value`.
    """
    return dict(map(_parsed, texts))


def _parsed(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write key=value, for example --set training.epochs=2.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML: {error}") from error
