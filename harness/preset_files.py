"""Read preset files: every leaf a value with its source.

A preset is a YAML file `<method>-<size>.yaml` whose leaves are `{value: ..., source: "..."}`. Its
sections are `config` (the method's own values) and those of `RunSpec`; `extends` names a file whose
values lie below, `variants` holds values that lie above when that variant is asked for. In
messages, in `show` and in `--set` the section `config` is called `method`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from harness import registry
from harness.errors import ConfigError

BUILT_IN = "methods.presets"
SECTIONS = {"config": "method"} | {
    name: name for name in ("model", "data", "training", "evaluation")
}
"""Sections of a file, and what users call them."""


@dataclass(frozen=True)
class Origin:
    """A value and where it comes from."""

    value: Any
    source: str


@dataclass(frozen=True)
class Preset:
    """The values of one preset file and of all it extends, by dotted key."""

    values: Mapping[str, Origin] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Origin]] = field(default_factory=dict)

    def above(self, lower: "Preset") -> "Preset":
        """Return both, where this one's values hide those of the lower one."""
        names = dict.fromkeys((*lower.variants, *self.variants))
        variants = {
            name: {**lower.variants.get(name, {}), **self.variants.get(name, {})} for name in names
        }
        return Preset({**lower.values, **self.values}, variants)


def sizes(method: str) -> tuple[str, ...]:
    """Return the sizes a method has presets for: tiny first, then by number."""
    prefix, suffix = f"{method}-", ".yaml"
    names = [file.name for file in resources.files(_package(method)).iterdir()]
    found = [
        name.removeprefix(prefix).removesuffix(suffix)
        for name in names
        if name.startswith(prefix) and name.endswith(suffix)
    ]
    return tuple(sorted(found, key=lambda size: (size != "tiny", len(size), size)))


def read_preset(method: str, size: str) -> Preset:
    """Read the preset of a method and size with all it extends.

    Raises:
        ConfigError: There is none, or a file is not written as a preset must be.
    """
    known = sizes(method)
    if size not in known:
        raise ConfigError(
            f"Method {method!r} has no preset for size {size!r}. {registry.hint(size, known)}"
        )
    return read_file(f"{method}-{size}", _package(method))


def _package(method: str) -> str:
    entry = registry.find(method, registry.methods(), "method")
    if entry.distribution == registry.BUILT_IN:
        return BUILT_IN
    return registry.load_method(method).presets or BUILT_IN


def read_file(stem: str, package: str, chain: tuple[str, ...] = ()) -> Preset:
    """Read one file and what it extends, which may also be one of the built-in files.

    `chain` holds the stems of the files that extend this one.
    """
    if stem in chain:
        raise ConfigError(f"Presets extend each other in a circle: {' -> '.join((*chain, stem))}.")
    places = [resources.files(name) / f"{stem}.yaml" for name in dict.fromkeys((package, BUILT_IN))]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        asked = f", which {chain[-1]!r} extends" if chain else ""
        raise ConfigError(f"There is no preset {stem!r} in {package}{asked}.")
    tree = _tree(file.read_text("utf-8"), f"{package}/{stem}.yaml")
    base, branches = tree.pop("extends", None), tree.pop("variants", {})
    own = Preset(
        _flat(tree, f"preset {stem}"),
        {name: _flat(part, f"preset {stem}, variant {name}") for name, part in branches.items()},
    )
    return own.above(read_file(base, package, (*chain, stem))) if base else own


def _tree(text: str, where: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{where} has no sections. Known: {', '.join(SECTIONS)}.")
    return tree


def _flat(tree: Mapping[str, Any], where: str) -> dict[str, Origin]:
    return {
        key: origin
        for section, below in tree.items()
        for key, origin in _leaves(
            below, registry.find(section, SECTIONS, f"section in {where}:"), where
        )
    }


def _leaves(node: Any, key: str, where: str) -> Iterator[tuple[str, Origin]]:
    if not isinstance(node, dict):
        raise ConfigError(f"{where}: write {key} as {{value: ..., source: ...}}.")
    if "value" not in node:
        for name, below in node.items():
            yield from _leaves(below, f"{key}.{name}", where)
    elif set(node) == {"value", "source"} and str(node["source"] or "").strip():
        yield key, Origin(node["value"], str(node["source"]))
    else:
        raise ConfigError(f"{where}: {key} needs a value and its source, and nothing else.")
