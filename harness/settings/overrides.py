"""`--set key=value` and `--config FILE`: what a call replaces of a preset."""

import json
from collections.abc import Sequence
from pathlib import Path
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


def read_config(file: Path) -> tuple[str, ...]:
    """Return what a YAML file of dotted keys replaces, in the words of `--set`.

    Raises:
        ConfigError: The file cannot be read, or is not a mapping of keys to plain values.
    """
    values = read_keys(file, "training.epochs: 2")
    try:
        return tuple(f"{key}={json.dumps(value)}" for key, value in values.items())
    except TypeError as error:
        raise ConfigError(f"--config {file}: a value is not plain: {error}.") from error


def read_keys(file: Path, example: str) -> dict[Any, Any]:
    """Return the keys and values of the YAML file of `--config`.

    Raises:
        ConfigError: The file cannot be read, or holds no keys; the message shows the example.
    """
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {file}: cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"--config {file}: write lines of keys, as in {example}")
    return values


def _parsed(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write key=value, for example --set training.epochs=2.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not YAML: {error}") from error
