"""What endpoints and models accept, each a file, and how one is found."""

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ConfigError, in_words

LIMITS = ("max_tokens", "max_completion_tokens")
"""The names of the limit on a reply, the older first."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SENDING = {"path", "key_header", "headers", "requests_per_minute"}
_ABOUT = {"name", "about", "models"}


class Profile(BaseModel):
    """What an endpoint and its model accept, and how their answers are to be read.

    The values by default are those of a model that nothing is known of: it may think aloud, so it
    has room to, and what is cut off says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="unknown", description="The file's name; not written in it.")
    about: str = Field(default="", description="For whom this is, in a sentence.")
    models: tuple[str, ...] = Field(
        default=(), description="Patterns of the models for which this is taken unasked."
    )
    temperature: Literal["as_asked", "not_sent"] | float = Field(
        default="as_asked", description="Or the one that is sent instead of the benchmark's."
    )
    limit: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default="max_tokens", description="Name of the limit on a reply; null: none is sent."
    )
    thinks: bool = Field(
        default=True,
        description="Whether it may think aloud. Then a reply that the limit cut off says nothing; "
        "else it is read as the published scripts do.",
    )
    thinking_tokens: int = Field(
        default=2048, ge=0, description="Tokens that a limited reply may take besides."
    )
    thoughts: tuple[tuple[str, str], ...] = Field(
        default=(
            ("<think>", "</think>"),
            ("<thinking>", "</thinking>"),
            ("<reasoning>", "</reasoning>"),
            ("[THINK]", "[/THINK]"),
            ("◁think▷", "◁/think▷"),
            ("<|channel|>analysis", "<|channel|>final<|message|>"),
        ),
        description="Marks between which the model thinks aloud.",
    )
    body: dict[str, Any] = Field(default={}, description="Fields that are sent besides.")
    query: dict[str, str] = Field(default={}, description="Parameters of the address.")
    headers: dict[str, str] = Field(
        default={}, description="Headers besides; ${NAME} stands for a variable of the environment."
    )
    path: str = Field(
        default="", description="Goes behind the endpoint; {model} stands for the model."
    )
    key_header: str | None = Field(
        default=None, description="Header of the key, in place of Authorization: Bearer."
    )
    served: Literal["exact", "dated", "any"] = Field(
        default="dated",
        description="How the model that answers may call itself: as asked, with a date behind or "
        "without the provider in front, or in any way.",
    )
    requests_per_minute: int | None = Field(
        default=None, gt=0, description="What the service allows; calls wait for their turn."
    )

    def decisive(self) -> dict[str, Any]:
        """Return what may change a reply, or how it is read; where it is sent does not."""
        return self.model_dump(mode="json", exclude=_ABOUT | _SENDING)

    def sent_headers(self) -> dict[str, str]:
        """Return the headers with the values of the environment.

        Raises:
            ConfigError: A variable is not set.
        """

        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise ConfigError(
                    f"judge profile {self.name!r}: the environment has no variable {match[1]}. "
                    "Set it to what the header needs."
                )
            return os.environ[match[1]]

        return {name: _VARIABLE.sub(value, text) for name, text in self.headers.items()}

    def fits(self, model: str) -> bool:
        """Tell whether this is the profile of a model, with its provider in front or without."""
        names = {model.lower(), model.lower().rpartition("/")[2]}
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.models)

    def accepts(self, asked: str, answered: str) -> bool:
        """Tell whether the model that answers may be the one that was asked."""
        if self.served == "any" or asked == answered:
            return True
        if self.served == "exact":
            return False
        short, said = (one.lower().rpartition("/")[2] for one in (asked, answered))
        return said == short or bool(_DATED.fullmatch(said.removeprefix(short)))


_DATED = re.compile(r"-(preview-)?(\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{8}|\d{4}|\d{3})")
UNKNOWN = Profile()


@cache
def built_in() -> Mapping[str, Profile]:
    """Return the profiles of this package by name."""
    found = {}
    for file in sorted(files(__name__).iterdir(), key=lambda one: one.name):
        name, _, ending = file.name.rpartition(".")
        if ending == "yaml":
            found[name] = Profile(**yaml.safe_load(file.read_text("utf-8")), name=name)
    return found


OFFICIAL = built_in()["official"]
"""The models that the published scripts ask, and as these ask them."""


def profile_of(model: str, chosen: str | None = None) -> Profile:
    """Return the profile of a model.

    Args:
        model: Its name.
        chosen: Name of a built-in profile, or a YAML file of one; None finds one by the model.

    Raises:
        ConfigError: There is no such profile, or the file is none.
    """
    if chosen is None:
        return next((one for one in built_in().values() if one.fits(model)), UNKNOWN)
    if chosen in built_in():
        return built_in()[chosen]
    if not chosen.endswith((".yaml", ".yml")):
        raise ConfigError(
            f"there is no judge profile {chosen!r}. Built in: {', '.join(built_in())}; or write a "
            "file whose name ends with .yaml, see docs/judges.md."
        )
    return _from_file(Path(chosen))


def _from_file(file: Path) -> Profile:
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
        if not isinstance(values, dict):
            raise ConfigError(f"{file}: a judge profile is a mapping of names to values.")
        return Profile(**{**values, "name": file.stem})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise ConfigError(f"{file}: not a judge profile: {wrong}.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, TypeError) as error:
        raise ConfigError(f"{file}: cannot read the judge profile ({in_words(error)}).") from error
