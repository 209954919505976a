"""Options of a command, made from the fields of a pydantic model: each is described once, there."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import typer
from annotated_types import Ge, Gt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from harness.errors import ConfigError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Flag:
    """How a field is given on the command line; type, limits, default and help are the field's."""

    name: str
    short: str | None = None
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    """Makes the field's value of a text; None where the type says how."""
    default: str = ""
    """What `build` takes where this is left out, for a field that needs a value; shown as it is."""


@dataclass(frozen=True)
class Options(Generic[Value]):
    """Options that make one value.

    Args:
        fields: The fields, by the name that `build` knows.
        flags: How each is given, in the order of the help text.
        build: Makes the value of what was given.
    """

    fields: Mapping[str, FieldInfo]
    flags: Mapping[str, Flag]
    build: Callable[..., Value]

    def only(self, names: Iterable[str]) -> "Options[Value]":
        """Return the options of some fields; the others keep their defaults."""
        return Options(self.fields, {name: self.flags[name] for name in names}, self.build)

    def of(self, **fixed: Any) -> "Options[Value]":
        """Return the options of a value that has some fields given already."""
        return Options(self.fields, self.flags, functools.partial(self.build, **fixed))

    def parameters(self) -> list[inspect.Parameter]:
        """Return one parameter for each option, as typer reads them."""
        return [_parameter(name, self.fields[name], flag) for name, flag in self.flags.items()]

    def value(self, given: Mapping[str, Any]) -> Value:
        """Return the value.

        Raises:
            ConfigError: What was given is not allowed; the message names the options.
        """
        try:
            stated = {name: value for name, value in given.items() if value is not None}
            return self.build(**{name: _unlisted(value) for name, value in stated.items()})
        except ValidationError as error:
            told = (f"{self._name(one['loc'])}: {one['msg']}" for one in error.errors())
            raise ConfigError("; ".join(told) + ".") from error

    def words(self, value: Value) -> tuple[str, ...]:
        """Return the words of a command line that give this value; what is by default is left out.

        For fields whose text is their value.
        """
        words: list[str] = []
        for name, flag in self.flags.items():
            given = getattr(value, name)
            if given != self.fields[name].get_default():
                each = given if isinstance(given, tuple) else (given,)
                each = (",".join(map(str, each)),) if flag.parse else each
                words += [flag.name if one is True else f"{flag.name}={one}" for one in each]
        return tuple(words)

    def _name(self, place: tuple[int | str, ...]) -> str:
        """Return the option of the field at fault."""
        named = (self.flags[str(part)].name for part in reversed(place) if str(part) in self.flags)
        return next(named, ".".join(map(str, place)))


def given(**groups: Options[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take values that options make: by parameter, the options of each."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function, eval_str=True).parameters

        @functools.wraps(function)
        def command(**words: Any) -> None:
            made = {
                name: group.value({field: words.pop(field) for field in group.flags})
                for name, group in groups.items()
            }
            function(**made, **words)

        parts = [
            groups[name].parameters() if name in groups else [parameter]
            for name, parameter in own.items()
        ]
        flat = [each.replace(kind=each.KEYWORD_ONLY) for part in parts for each in part]
        command.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]  # typer's way
        command.__annotations__ = {each.name: each.annotation for each in flat}
        return command

    return decorate


def _parameter(name: str, field: FieldInfo, flag: Flag) -> inspect.Parameter:
    kind = _as_list(field.annotation)
    required = field.is_required() and not flag.default
    default = inspect.Parameter.empty if required else _default(field, flag)
    if not required and default is None and type(None) not in get_args(kind):
        kind = kind | None
    names = [flag.name, *([flag.short] if flag.short else [])]
    left_out = flag.default and f"Default: {flag.default}"
    option = typer.Option(
        *names,
        help=" ".join(filter(None, (field.description, left_out))),
        metavar=flag.metavar,
        min=_least(field) if kind in (int, int | None) else None,
        parser=flag.parse,
    )
    annotation: Any = Annotated[Any if flag.parse else kind, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _as_list(annotation: Any) -> Any:
    """Return the type that typer knows: an option that may be repeated is a list."""
    return list[str] if get_origin(annotation) in (tuple, dict) else annotation


def _default(field: FieldInfo, flag: Flag) -> Any:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if isinstance(value, tuple | dict):
        return ",".join(map(str, value)) or None if flag.parse else None
    return value


def _unlisted(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _least(field: FieldInfo) -> int | None:
    """Return the smallest whole number that a field allows."""
    for limit in field.metadata:
        if isinstance(limit, Ge):
            return int(str(limit.ge))
        if isinstance(limit, Gt):
            return int(str(limit.gt)) + 1
    return None
