"""One set of columns for every known format of preference data."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from harness.data.containers.record import Kind, Record
from harness.data.formats.columns import LOGITS, TEXTS
from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault, json_of, unmarked
from harness.errors import DataError

VERSION = 3
"""Raise it when the same files are to give other stored rows."""
IMAGES = (("image", "image_path"),)
"""Of each image of a pair, the column of its bytes and that of its file where it has no bytes."""
FILE, ROW, FAULT = "_file", "_row", "_fault"
"""Number of the file, row in it, and what is wrong with the row's form."""
HISTORY, MARK = "_history", "_mark"
"""Earlier turns as JSON, null where there are none, and where the question had `<image>`."""

_REFERENCE = ("reference_logps_chosen", "reference_logps_rejected")
_SUMS = (0, 3)
"""Places of both responses' sums in `logps`: sum, mean and tokens of each. Source: DAMA:T:831."""
_OTHER = {"chosen": "rejected", "rejected": "chosen"}
_CONSUMED = {*TEXTS, *LOGITS, *itertools.chain(*IMAGES), "text", "logps", "idx"}
_NOT_KEPT = {*_CONSUMED, FILE, ROW, FAULT, HISTORY, MARK}

Kept = Literal["number", "text", "list"]
"""What the values of a field are kept as."""


def _unicode(text: str) -> str:
    """Refuse halves of surrogate pairs: JSON can name them, and no file of text can hold them."""
    text.encode()
    return text


_Text = Annotated[str, AfterValidator(_unicode)]


class _Form(BaseModel):
    """What every row must have."""

    model_config = ConfigDict(strict=True, from_attributes=True)

    question: _Text
    chosen: _Text
    rejected: _Text
    image: bytes | None
    image_path: _Text | None
    history: tuple[tuple[_Text, _Text], ...]


@dataclass(frozen=True)
class Layout:
    """How the rows of a data set become stored rows."""

    format: Format
    kinds: Mapping[str, Kept]
    """The fields that are kept as they are, lists as JSON."""
    derived: tuple[str, ...]
    """The columns that are made of JSON fields."""
    numbers_in_text: bool
    """Whether numbers stand in the files as text, as in CSV."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the stored columns."""
        types = {"number": pa.float64(), "text": pa.string(), "list": pa.string()}
        return pa.schema(
            [
                (FILE, pa.int32()),
                (ROW, pa.int64()),
                (FAULT, pa.string()),
                (HISTORY, pa.string()),
                (MARK, pa.string()),
                ("idx", pa.string()),
                *((name, pa.string()) for name in TEXTS),
                *itertools.chain(
                    *(((image, pa.large_binary()), (path, pa.string())) for image, path in IMAGES)
                ),
                *((name, types[kind]) for name, kind in self.kinds.items()),
                *((name, pa.float64()) for name in self.derived),
            ]
        )

    def stored(self, record: Record, file: int, number: int) -> list[dict[str, Any]]:
        """Return the values of the stored rows of one row, of most formats one.

        Args:
            record: The row.
            file: The number of its file.
            number: Its place in the whole data set.
        """
        kept = {name: self._as(kind, record.values.get(name)) for name, kind in self.kinds.items()}
        identity = _identity(record.values.get(self.format.identity), number)
        place = {FILE: file, ROW: record.row, "idx": identity}
        reason = record.fault
        if reason is None:
            try:
                made = place | kept | self._derived(record.values)
                return [made | _form(pair) for pair in self.format.pairs(record.values)]
            except RowFault as fault:
                reason = str(fault)
        return [place | kept | dict.fromkeys(TEXTS, "") | {FAULT: _clean(reason)}]

    def _as(self, kind: str, value: Any) -> float | str | None:
        """Return a value of the column's kind; anything else is missing."""
        if kind == "number" and self.numbers_in_text:
            return float(value) if isinstance(value, str) and _in_digits(value) else None
        if kind == "number":
            return _float(value) if _is_number(value) else None
        if kind == "list" and not isinstance(value, str | None):
            return json.dumps(value, default=str)
        return _clean(value) if isinstance(value, str) else None

    def _derived(self, values: Mapping[str, Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        if "clip_gap" in self.derived:
            chosen, rejected = (_numbers(values, name) for name in LOGITS)
            # Source: DAMA:T:839-840 and 1251.
            found["clip_gap"] = sum(chosen) - sum(rejected)
        if _REFERENCE[0] in self.derived:
            logps = json_of(values, "logps")
            logps = logps.get("logps") if isinstance(logps, dict) else logps
            if not isinstance(logps, list) or len(logps) <= max(_SUMS):
                raise RowFault("logps: not the list of sum, mean and tokens of both responses")
            sums = [logps[place] for place in _SUMS]
            if not all(map(_is_number, sums)):
                raise RowFault("logps: the sums are not numbers")
            found |= {name: _float(value) for name, value in zip(_REFERENCE, sums, strict=True)}
        return found


def layout_of(source: str, format_: Format, fields: Fields) -> Layout:
    """Return how rows with these fields are stored.

    Raises:
        DataError: A field has a name that no file can hold.
    """
    if strange := [name for name in fields.kinds if _clean(name) != name]:
        raise DataError(f"{source}: a field's name is not Unicode: {strange[0]!r}. Rename it.")
    kept = {
        name: kind
        for name in fields.kinds
        if name not in _NOT_KEPT | format_.consumed and (kind := _kept_as(name, fields))
    }
    derived: tuple[str, ...] = ()
    if fields.have(*LOGITS) and "clip_gap" not in kept:
        derived += ("clip_gap",)
    derived += _REFERENCE if fields.have("logps") else ()
    return Layout(format_, kept, derived, numbers_in_text=fields.file == "csv")


def _kept_as(name: str, fields: Fields) -> Kept | None:
    """Return what the values of a field are kept as: lists where they may be spans.

    Those of both responses stand in two fields, `chosen_` and `rejected_` before one name.
    """
    kinds = fields.kinds[name]
    if "number" in kinds:
        return "number"
    side, _, rest = name.partition("_")
    if "list" in kinds and rest and fields.any(f"{_OTHER.get(side)}_{rest}"):
        return "list"
    return "text" if "text" in kinds else None


def fields_of_schema(schema: pa.Schema, kind: Kind) -> Fields:
    """Return what the columns of a table hold."""
    kinds = {field.name: frozenset({_kind_of_type(field.type)}) for field in schema}
    return Fields(kinds, kind)


def fields_of_records(records: Iterable[Record], kind: Kind) -> Fields:
    """Return what the fields of rows hold; goes through all of them."""
    found: dict[str, set[str]] = {}
    worded: set[str] = set()
    for record in records:
        for name, value in record.values.items():
            found.setdefault(name, set()).add(_kind_of_value(value))
            if kind == "csv" and isinstance(value, str) and not _in_digits(value):
                worded.add(name)
    if kind == "csv":  # a column of digits may be numbers, or answers of one digit each
        for name in found.keys() - worded:
            found[name] |= {"number"} if "text" in found[name] else set()
    return Fields({name: frozenset(kinds) for name, kinds in found.items()}, kind)


def _form(raw: RawPair) -> dict[str, Any]:
    pair = unmarked(raw)
    try:
        form = _Form.model_validate(pair).model_dump()
    except ValidationError as error:
        raise RowFault("; ".join(_reason(each) for each in error.errors())) from error
    history = form.pop("history")
    form[HISTORY] = json.dumps(history) if history else None
    form[MARK] = pair.mark
    return form


def _kind_of_type(type_: pa.DataType) -> str:
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return "list"
    if pa.types.is_struct(type_):
        return "object"
    return "text" if pa.types.is_string(type_) or pa.types.is_large_string(type_) else "other"


def _kind_of_value(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if _is_number(value):
        return "number"
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, dict) else "other"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_digits(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _float(value: float) -> float:
    """Return a number as float64; infinite where a whole number is beyond it."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def _identity(value: Any, number: int) -> str:
    return str(number) if value is None else _clean(str(value))


def _numbers(values: Mapping[str, Any], name: str) -> list[float]:
    found = json_of(values, name)
    if not isinstance(found, list) or not all(map(_is_number, found)):
        raise RowFault(f"{name}: not a list of numbers")
    return [_float(number) for number in found]


def _reason(error: Any) -> str:
    name, value = error["loc"][0], error["input"]
    if value is None:
        return f"no {name}"
    if isinstance(value, str):
        return f"{name} is not valid Unicode"
    return f"{name} is {type(value).__name__}, not {'bytes' if name in dict(IMAGES) else 'text'}"
