"""One set of columns for every known format of preference data."""

import base64
import binascii
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from harness.data.pairs.records import Kind, Record
from harness.errors import DataError, MissingColumn

Format = Literal["rlaif_v", "rlhf_v", "dama", "plain"]
"""`rlaif_v`: parquet with a column per text; `rlhf_v`: the texts as JSON in `text`; `dama`: with
the JSON lists `chosen_logits` and `rejected_logits`; `plain`: any other JSON."""

VERSION = 1
"""Raise it when the same files are to give other stored rows."""
TEXTS = ("question", "chosen", "rejected")
IMAGES = (("image", "image_path"),)
"""Of each image of a pair, the column of its bytes and that of its file where it has no bytes."""
FILE, ROW, FAULT = "_file", "_row", "_fault"
"""Number of the file, row in it, and what is wrong with the row's form."""

_LOGITS = ("chosen_logits", "rejected_logits")
_REFERENCE = ("reference_logps_chosen", "reference_logps_rejected")
_SUMS = (0, 3)
"""Places of both responses' sums in `logps`: sum, mean and tokens of each. Source: DAMA:T:831."""
_CONSUMED = {*TEXTS, *_LOGITS, *itertools.chain(*IMAGES), "text", "logps", "idx"}
_NOT_KEPT = {*_CONSUMED, FILE, ROW, FAULT}


def _unicode(text: str) -> str:
    """Refuse halves of surrogate pairs: JSON can name them, and no file of text can hold them."""
    text.encode()
    return text


_Text = Annotated[str, AfterValidator(_unicode)]


class _Form(BaseModel):
    """What every row must have."""

    model_config = ConfigDict(strict=True)

    question: _Text
    chosen: _Text
    rejected: _Text
    image: bytes | None
    image_path: _Text | None


class _Fault(Exception):
    """A row has not the form it should have."""


@dataclass(frozen=True)
class Layout:
    """How the rows of a data set become stored rows."""

    format: Format
    kinds: Mapping[str, Literal["number", "text"]]
    """The fields that are kept as they are."""
    derived: tuple[str, ...]
    """The columns that are made of JSON fields."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the stored columns."""
        types = {"number": pa.float64(), "text": pa.string()}
        return pa.schema(
            [
                (FILE, pa.int32()),
                (ROW, pa.int64()),
                (FAULT, pa.string()),
                ("idx", pa.string()),
                *((name, pa.string()) for name in TEXTS),
                *itertools.chain(
                    *(((image, pa.large_binary()), (path, pa.string())) for image, path in IMAGES)
                ),
                *((name, types[kind]) for name, kind in self.kinds.items()),
                *((name, pa.float64()) for name in self.derived),
            ]
        )

    def stored(self, record: Record, file: int, number: int) -> dict[str, Any]:
        """Return the values of a stored row; `number` is its place in the whole data set."""
        kept = {name: _as(kind, record.values.get(name)) for name, kind in self.kinds.items()}
        place = {FILE: file, ROW: record.row, "idx": _identity(record.values, number)}
        reason = record.fault
        if reason is None:
            try:
                return place | kept | self._derived(record.values) | self._form(record.values)
            except _Fault as fault:
                reason = str(fault)
        return place | kept | dict.fromkeys(TEXTS, "") | {FAULT: _clean(reason)}

    def _form(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if self.format == "rlhf_v":
            inner = _json_of(values, "text")
            if not isinstance(inner, dict):
                raise _Fault("text: JSON, but no object with question, chosen and rejected")
            values = {**values, **inner}
        form = {name: values.get(name) for name in TEXTS}
        for names in IMAGES:
            form |= zip(names, _image(values, *names), strict=True)
        try:
            return _Form.model_validate(form).model_dump()
        except ValidationError as error:
            raise _Fault("; ".join(_reason(each) for each in error.errors())) from error

    def _derived(self, values: Mapping[str, Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        if "clip_gap" in self.derived:
            chosen, rejected = (_numbers(values, name) for name in _LOGITS)
            # Source: DAMA:T:839-840 and 1251.
            found["clip_gap"] = sum(chosen) - sum(rejected)
        if _REFERENCE[0] in self.derived:
            logps = _json_of(values, "logps")
            logps = logps.get("logps") if isinstance(logps, dict) else logps
            if not isinstance(logps, list) or len(logps) <= max(_SUMS):
                raise _Fault("logps: not the list of sum, mean and tokens of both responses")
            sums = [logps[place] for place in _SUMS]
            if not all(map(_is_number, sums)):
                raise _Fault("logps: the sums are not numbers")
            found |= {name: _float(value) for name, value in zip(_REFERENCE, sums, strict=True)}
        return found


def layout_of(source: str, kind: Kind, fields: Mapping[str, set[str]]) -> Layout:
    """Recognise the format by the names of the fields and the kinds of values they hold.

    Raises:
        MissingColumn: A field that every format needs is nowhere.
        DataError: A field has a name that no file can hold.
    """
    if strange := [name for name in fields if _clean(name) != name]:
        raise DataError(f"{source}: a field's name is not Unicode: {strange[0]!r}. Rename it.")
    in_text = "text" in fields and not set(TEXTS) <= set(fields)
    image, path = IMAGES[0]
    images = (image,) if kind == "parquet" or path not in fields else ()
    needed = (("text",) if in_text else TEXTS) + images
    if missing := [name for name in needed if name not in fields]:
        raise MissingColumn(
            f"{source}: no column {', '.join(map(repr, missing))}; it has {', '.join(fields)}. "
            f"Preference data need {', '.join((*TEXTS, image))}, or the texts as JSON in 'text'."
        )
    kept: dict[str, Literal["number", "text"]] = {}
    for name, kinds in fields.items():
        if name not in _NOT_KEPT and kinds & {"number", "text"}:
            kept[name] = "number" if "number" in kinds else "text"
    logits = set(_LOGITS) <= set(fields)
    derived: tuple[str, ...] = ("clip_gap",) if logits and "clip_gap" not in kept else ()
    derived += _REFERENCE if "logps" in fields else ()
    plain: Format = "rlaif_v" if kind == "parquet" else "plain"
    return Layout("rlhf_v" if in_text else "dama" if logits else plain, kept, derived)


def fields_of_schema(schema: pa.Schema) -> dict[str, set[str]]:
    """Return what the columns of a parquet file hold: `number`, `text` or `other`."""
    return {field.name: {_kind_of_type(field.type)} for field in schema}


def fields_of_records(records: Iterable[Record]) -> dict[str, set[str]]:
    """Return what the fields of JSON rows hold; goes through all of them."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.values.items():
            found.setdefault(name, set()).add(_kind_of_value(value))
    return found


def _kind_of_type(type_: pa.DataType) -> str:
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    return "text" if pa.types.is_string(type_) or pa.types.is_large_string(type_) else "other"


def _kind_of_value(value: Any) -> str:
    if _is_number(value):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as(kind: str, value: Any) -> float | str | None:
    """Return a value of the column's kind; anything else is missing."""
    if kind == "number":
        return _float(value) if _is_number(value) else None
    return _clean(value) if isinstance(value, str) else None


def _float(value: float) -> float:
    """Return a number as float64; infinite where a whole number is beyond it."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def _identity(values: Mapping[str, Any], number: int) -> str:
    value = values.get("idx")
    return str(number) if value is None else _clean(str(value))


def _image(values: Mapping[str, Any], name: str, path_name: str) -> tuple[Any, Any]:
    """Return the bytes of an image, or the path of its file."""
    image = values.get(name)
    path = values.get(path_name)
    if isinstance(image, dict):
        content = image.get("bytes")
        content = _decoded(content, name) if isinstance(content, str) else content
        return content or None, image.get("path") or (None if content else path)
    if isinstance(image, str):
        return (_decoded(image, name), path) if image.startswith("data:") else (None, image)
    return image, path


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.partition(",")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Fault(f"{name}: not base64 ({error})") from error


def _json_of(values: Mapping[str, Any], name: str) -> Any:
    """Return what the JSON text in a field says, or a field that is no text as it is."""
    value = values.get(name)
    if value is None:
        raise _Fault(f"no {name}")
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise _Fault(f"{name}: invalid JSON ({error})") from error


def _numbers(values: Mapping[str, Any], name: str) -> list[float]:
    found = _json_of(values, name)
    if not isinstance(found, list) or not all(map(_is_number, found)):
        raise _Fault(f"{name}: not a list of numbers")
    return [_float(number) for number in found]


def _reason(error: Any) -> str:
    name, value = error["loc"][0], error["input"]
    if value is None:
        return f"no {name}"
    if isinstance(value, str):
        return f"{name} is not valid Unicode"
    return f"{name} is {type(value).__name__}, not {'bytes' if name in dict(IMAGES) else 'text'}"
