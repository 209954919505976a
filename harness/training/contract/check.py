"""Hold a registered method, ours or a package's, against the contract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from harness import registry
from harness.errors import ConfigError, HarnessError, TrainingError, in_words
from harness.settings.preset_files import read_preset, sizes
from harness.settings.resolve import resolve
from harness.training.contract.batches import made_batch
from harness.training.contract.laws import LAWS, Case, Law, NoLaw
from methods.types import Method, MethodConfig

BATCHES = 8
"""Made batches that every configuration is tried on."""


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILS = "FAILS"
    NONE = "none"
    """The method says itself that the law is not for it."""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check of a method, over all of its configurations."""

    name: str
    result: Result
    said: str

    def line(self) -> str:
        """Return the check in one line."""
        return f"{self.name:<11} {self.result:<8} {self.said}"


def check_method(name: str) -> Iterator[Check]:
    """Yield every check of a method as soon as it is done.

    Raises:
        ConfigError: No package brings a method of this name.
    """
    entry = registry.find(name, registry.methods(), "method")
    try:
        method = registry.load_method(name)
    except ConfigError as error:
        yield Check("loads", Result.FAILS, str(error))
        return
    yield Check("loads", Result.OK, f"{entry.target} of package {entry.distribution!r}")
    try:
        configs = configurations(method)
    except HarnessError as error:
        yield Check("presets", Result.FAILS, str(error))
        return
    yield Check("presets", Result.OK, f"checked with: {', '.join(configs)}")
    sound = True
    for law in LAWS:
        if sound:
            check = _checked(law, method, configs)
            sound = law != "gradients" or check.result is not Result.FAILS
        else:
            check = Check(law, Result.SKIPPED, "its loss must give finite gradients first")
        yield check


def configurations(method: Method[Any, Any]) -> Mapping[str, MethodConfig]:
    """Return every variant of the smallest preset, or the defaults where there is no preset.

    Raises:
        ConfigError: A preset cannot be used, or there is none and a field has no default.
    """
    known = sizes(method.name)
    if not known:
        try:
            return {"the defaults of its configuration": method.config()}
        except ValidationError as error:
            fields = ", ".join(str(problem["loc"][0]) for problem in error.errors())
            raise ConfigError(
                f"{method.name}: there is no preset, and these have no default: {fields}. Name the "
                "package of its presets in its Method, or give them defaults."
            ) from error
    variants = (None, *read_preset(method.name, known[0]).variants)
    return {
        f"{known[0]}:{variant}" if variant else known[0]: method.config.model_validate(
            resolve(method.name, known[0], variant).spec.config
        )
        for variant in variants
    }


def _checked(name: str, method: Method[Any, Any], configs: Mapping[str, MethodConfig]) -> Check:
    law = LAWS[name]
    exempt: dict[str, str] = {}
    for label, config in configs.items():
        try:
            _hold(law, method, config)
        except NoLaw as reason:
            exempt[label] = str(reason)
        except HarnessError as error:
            return Check(name, Result.FAILS, f"{error} Seen with {label}.")
    if not exempt:
        return Check(name, Result.OK, law.says)
    reasons = "; ".join(dict.fromkeys(exempt.values()))
    if len(exempt) == len(configs):
        return Check(name, Result.NONE, reasons)
    return Check(name, Result.OK, f"{law.says}; not with {', '.join(exempt)}: {reasons}")


def _hold(law: Law, method: Method[Any, Any], config: MethodConfig) -> None:
    for seed in range(BATCHES):
        try:
            law.check(Case(method, config, made_batch(method, seed)))
        except (HarnessError, NoLaw):
            raise
        except Exception as error:  # whatever somebody's method does
            raise TrainingError(
                f"{method.name}: it raised {type(error).__name__}: {in_words(error)}. Mend it."
            ) from error
