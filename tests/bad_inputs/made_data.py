"""Small files of preference data, good but for what is changed in them, and what is told of it."""

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(width: int = 8, height: int = 8, kind: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, kind)
    return buffer.getvalue()


def as_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def row(**changes: Any) -> dict[str, Any]:
    good = {"idx": "a", "question": "What?", "chosen": "A dog.", "rejected": "A cat."}
    return good | {"image": as_url(picture()), "clip_gap": 0.5} | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row().items() if key != name}


def lines(*rows: Any) -> bytes:
    texts = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in rows)
    return b"".join(text + b"\n" for text in texts)


def listed(*rows: Any) -> bytes:
    return json.dumps(rows).encode()


def parquet(*rows: dict[str, Any], table: Any = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)) if table is None else table, buffer)
    return buffer.getvalue()


def cell(**changes: Any) -> dict[str, Any]:
    """A row of parquet, which holds the image's bytes."""
    return row(image={"bytes": picture(), "path": None}) | changes


def with_column(name: str, values: Any) -> bytes:
    """Two rows of parquet, the second with nothing good in it but its form."""
    table = pa.Table.from_pylist([cell(), cell(idx="b", question="")])
    place = table.schema.get_field_index(name)
    if place < 0:
        return parquet(table=table.append_column(name, values))
    return parquet(table=table.set_column(place, name, values))


def latin(type_: Any = None) -> Any:
    """A text column whose second value is Latin-1, which parquet's writers do not look at."""
    made = pa.array([b"What?", "Café?".encode("latin-1")], pa.binary())
    return pa.Array.from_buffers(type_ or pa.string(), 2, made.buffers())


def nested_latin() -> Any:
    """Images whose second path is Latin-1, deep in a struct."""
    content = pa.array([picture(), None], pa.binary())
    return pa.StructArray.from_arrays([content, latin()], ["bytes", "path"])


def two_questions() -> bytes:
    table = pa.Table.from_pylist([cell()])
    return parquet(table=table.append_column("question", table["question"]))


def damaged(content: bytes) -> bytes:
    return content[:60] + b"\xff" * 40 + content[100:]


@dataclass(frozen=True)
class Case:
    """What a file holds, and the words that the message must have."""

    name: str
    content: bytes
    told: str
    file: str = "a.jsonl"
    more: tuple[str, ...] = ()
    """Further words of the command."""


def bad_row(name: str, told: str, number: int = 0, **changes: Any) -> Case:
    """JSON lines: as many good rows as `number`, and a bad one."""
    good = (row(idx=f"good {i}", question=f"{i}?") for i in range(number))
    return Case(name, lines(*good, row(**changes)), f"a.jsonl row {number}: {told}")


def bad_image(name: str, content: bytes, told: str) -> Case:
    return bad_row(f"image: {name}", f"unreadable image: {told}", image=as_url(content))


def bad_path(name: str, path: str, told: str) -> Case:
    return bad_row(f"path: {name}", told, image=path)


def bad_cell(name: str, told: str, **changes: Any) -> Case:
    return Case(f"parquet: {name}", parquet(cell(**changes)), f"a.parquet {told}", "a.parquet")


def bad_column(name: str, column: str, values: Any, told: str) -> Case:
    content = with_column(column, values)
    return Case(f"parquet: {name}", content, f"a.parquet row 1: {told}", "a.parquet")


def bad_file(name: str, file: str, content: bytes, told: str) -> Case:
    return Case(f"{file}: {name}", content, f"{file}: {told}", file)
