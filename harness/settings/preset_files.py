"""Read preset files: every leaf a value with its source.

A preset is a YAML file `<method>-<size>.yaml` whose leaves are `{value: ..., source: "..."}`. Its
sections are those of `RunSpec`; `method` holds the method's own values. Beside them may stand:

- `extends`: one or more files whose values lie below, the last one lowest;
- `variants`: values that lie above when that variant is asked for, and `default_variant`: a name
  for what the preset is without any;
- `ablations`: the rows of the method's ablation table in order, each with values that lie above the
  variant, or with a `method` that has a value itself: the one whose own preset is that row;
- `open_questions`: what no source settles about these values;
- `claims`: what the paper says of the method, see `claims`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from harness import registry
from harness.errors import ConfigError
from harness.settings.claims import Claim, read_claims
from methods.presets import SOURCES

BUILT_IN = "methods.presets"
METHOD = "method"
SECTIONS = (METHOD, "model", "data", "training", "evaluation")
"""Sections of a file, as in `--set` and `show`."""
_WORD = re.compile(r"\b[A-Z][A-Z0-9]+\b(?!-)")
DEFAULT = "default: "
"""How the source of a value begins that nobody gave; what the field is for follows."""


@dataclass(frozen=True)
class Origin:
    """A value and where it comes from."""

    value: Any
    source: str


@dataclass(frozen=True)
class Ablation:
    """One row of an ablation table: the method with other values, or another method as it is."""

    method: Origin | None = None
    values: Mapping[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """The values of one preset file and of all it extends, by dotted key."""

    values: Mapping[str, Origin] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Origin]] = field(default_factory=dict)
    default_variant: str | None = None
    ablations: Mapping[str, Ablation] = field(default_factory=dict)
    open_questions: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)

    def above(self, lower: "Preset") -> "Preset":
        """Return both, where this one's values hide those of the lower one."""
        names = dict.fromkeys((*lower.variants, *self.variants))
        variants = {
            name: {**lower.variants.get(name, {}), **self.variants.get(name, {})} for name in names
        }
        return Preset(
            values={**lower.values, **self.values},
            variants=variants,
            default_variant=self.default_variant or lower.default_variant,
            ablations={**lower.ablations, **self.ablations},
            open_questions=tuple(dict.fromkeys((*lower.open_questions, *self.open_questions))),
            claims={**lower.claims, **self.claims},
        )

    def variant(self, name: str | None) -> tuple[str | None, Mapping[str, Origin]]:
        """Return the variant that a name stands for, None for the default one, and its values.

        Raises:
            ConfigError: There is no such variant.
        """
        if name is None or name == self.default_variant:
            return None, {}
        names = dict.fromkeys(filter(None, (self.default_variant, *self.variants)))
        registry.find(name, names, "variant")
        return name, self.variants[name]


def sizes(method: str) -> tuple[str, ...]:
    """Return the sizes a method has presets for: tiny first, then by number."""
    prefix, suffix = f"{method}-", ".yaml"
    package = _package(method)
    try:
        names = [file.name for file in resources.files(package).iterdir()]
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Method {method!r} names {package!r} as the package of its presets, and there is no "
            "such package. Mend `presets` of its Method, or install the package whole."
        ) from error
    found = [
        name.removeprefix(prefix).removesuffix(suffix)
        for name in names
        if name.startswith(prefix) and name.endswith(suffix)
    ]
    return tuple(sorted(found, key=lambda size: (size != "tiny", len(size), size)))


def built_in_presets() -> list[Path]:
    """Return the preset files of the built-in methods."""
    files = (Path(str(file)) for file in resources.files(BUILT_IN).iterdir())
    return [file for file in files if file.suffix == ".yaml"]


def short_names(sources: Iterable[str]) -> dict[str, str]:
    """Return which short names of repositories stand in these sources, and what each is."""
    words = {word for source in sources for word in _WORD.findall(source)}
    return {name: SOURCES[name] for name in sorted(words & SOURCES.keys())}


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
    below = tree.pop("extends", [])
    preset = _own(tree, f"preset {stem}")
    for base in [below] if isinstance(below, str) else below:
        preset = preset.above(read_file(base, package, (*chain, stem)))
    return preset


def _own(tree: dict[str, Any], where: str) -> Preset:
    """Read what one file says itself."""
    branches = tree.pop("variants", {})
    rows = tree.pop("ablations", {})
    named, questions = tree.pop("default_variant", None), tree.pop("open_questions", [])
    claims = read_claims(tree.pop("claims", {}), where)
    if not all(isinstance(question, str) for question in questions):
        raise ConfigError(f"{where}: write open_questions as a list of texts.")
    return Preset(
        values=_flat(tree, where),
        variants={name: _flat(part, f"{where}, variant {name}") for name, part in branches.items()},
        default_variant=named,
        ablations={
            name: _ablation(part, f"{where}, ablation {name}") for name, part in rows.items()
        },
        open_questions=tuple(questions),
        claims=claims,
    )


def _ablation(tree: Mapping[str, Any], where: str) -> Ablation:
    values = _flat(tree, where)
    method = values.pop(METHOD, None)
    if method and values:
        raise ConfigError(f"{where}: give another method or other values, not both.")
    return Ablation(method, values)


def _tree(text: str, where: str) -> dict[str, Any]:
    try:
        tree = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{where} has no sections. Known: {', '.join(SECTIONS)}.")
    return tree


def _flat(tree: Mapping[str, Any], where: str) -> dict[str, Origin]:
    flat: dict[str, Origin] = {}
    for section, below in tree.items():
        if section not in SECTIONS:
            raise ConfigError(
                f"Unknown section in {where}: {section!r}. {registry.hint(str(section), SECTIONS)}"
            )
        flat.update(_leaves(below, section, where))
    return flat


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
