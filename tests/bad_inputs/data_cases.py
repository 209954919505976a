"""Bad preference data as users have them: what a file holds, and what `prepare` must say of it."""

import base64
import json
from decimal import Decimal

import pyarrow as pa
from made_data import (
    Case,
    as_url,
    bad_cell,
    bad_column,
    bad_file,
    bad_image,
    bad_path,
    bad_row,
    cell,
    damaged,
    latin,
    lines,
    listed,
    nested_latin,
    parquet,
    picture,
    row,
    two_questions,
    without,
)

EMPTY = "empty question"
NO_UNICODE = "is not valid Unicode"
SIZE = "image of {} bytes: {}"
TEXTS = {"question": "\ud800?", "chosen": "a", "rejected": "b"}

CASES = (
    # Texts.
    bad_row("half a surrogate pair", f"question {NO_UNICODE}", 1, question="What\ud800?"),
    bad_row("half a pair in a response", f"rejected {NO_UNICODE}", rejected="\udfff"),
    bad_row("half a pair in the id", f"{EMPTY} (pair '?')", idx="\ud800", question=""),
    bad_row("half a pair in another field", EMPTY, question=" ", other="\ud800"),
    bad_row("half a pair in a path", f"image_path {NO_UNICODE}", image="\ud800.png"),
    Case(
        "half a pair in the texts of RLHF-V",
        lines({"text": json.dumps(TEXTS), "image": as_url(picture()), "clip_gap": 1}),
        f"a.jsonl row 0: question {NO_UNICODE}",
    ),
    Case(
        "half a pair in a JSON list",
        listed(row(), row(idx="b", chosen="\ud800")),
        f"a.json row 1: chosen {NO_UNICODE}",
        "a.json",
    ),
    Case(
        "half a pair in a field's name",
        lines(row(**{"\ud800": "x"})),
        r"a field's name is not Unicode: '\ud800'. Rename it.",
    ),
    Case(
        "Latin-1 lines",
        lines(row(), json.dumps(row(question="Café?"), ensure_ascii=False).encode("latin-1")),
        "a.jsonl row 1: invalid JSON ('utf-8' codec can't decode byte 0xe9",
    ),
    Case(
        "Latin-1 list",
        json.dumps([row(), row(question="Café?")], ensure_ascii=False).encode("latin-1"),
        f"a.json row 1: question {NO_UNICODE}",
        "a.json",
    ),
    bad_row("no question", "no question", question=None),
    bad_row("a number for a text", "chosen is int, not text", chosen=7),
    bad_row("a list for a text", "rejected is list, not text", rejected=["a"]),
    bad_row("blanks for a text", "empty rejected", rejected=" \n\t"),
    bad_row("equal responses", "chosen equals rejected", chosen="x", rejected=" x\n"),
    bad_row("the image token in a text", "chosen contains <image>", chosen="<image> a dog"),
    bad_row("a text of megabytes", "chosen has 2,000,000 characters", chosen="ab" * 10**6),
    bad_row("an id of megabytes", f"{EMPTY} (pair '{'i' * 80}...')", question="", idx="i" * 10**6),
    bad_row(
        "a command to the terminal in the id",
        rf"{EMPTY} (pair '\x1b[2J')",
        0,
        idx="\x1b[2J",
        question="",
    ),
    # Numbers.
    bad_row("no number", "clip_gap is no finite number", clip_gap=float("nan")),
    bad_row("a whole number beyond floats", "clip_gap is no finite number", clip_gap=10**400),
    bad_row("text for a number", "clip_gap is no finite number", clip_gap="much"),
    bad_row("a list for one number", "clip_gap is no finite number", 1, clip_gap=[1.0]),
    bad_row("a number beyond floats that nothing reads", EMPTY, other=-(10**400), question=""),
    Case(
        "a number of 5000 digits",
        lines(row(), b'{"idx": ' + b"9" * 5000 + b"}"),
        "a.jsonl row 1: invalid JSON (Exceeds the limit (4300 digits)",
    ),
    Case(
        "logits beyond floats",
        lines(without("clip_gap") | {"chosen_logits": [10**400], "rejected_logits": [0]}),
        "a.jsonl row 0: clip_gap is no finite number",
    ),
    Case(
        "logits that are no JSON",
        lines(without("clip_gap") | {"chosen_logits": "[", "rejected_logits": "[0]"}),
        "a.jsonl row 0: chosen_logits: invalid JSON",
    ),
    # Names that are used here for something else.
    *(
        bad_row(f"a field {name} of {kind.__name__}", EMPTY, 1, question="", **{name: kind(5)})
        for name in ("_row", "_file", "_fault", "row")
        for kind in (int, str)
    ),
    *(
        bad_cell(f"a column {name}", f"row 0: {EMPTY}", question="", **{name: 5})
        for name in ("_row", "_fault")
    ),
    # Images.
    bad_image("text", b"hello", SIZE.format(5, "not a readable image (of no known format)")),
    bad_row("image: nothing", "image: not base64", image=as_url(b"")),
    bad_image("cut off", picture(90, 90)[:-30], SIZE.format(len(picture(90, 90)) - 30, "not a")),
    bad_image("a line", picture(1, 5000), SIZE.format(99, "1 x 5000 pixels, more than 200 times")),
    bad_image(
        "a long side",
        picture(20_000, 200, mode="1"),
        SIZE.format(
            len(picture(20_000, 200, mode="1")), "20000 x 200 pixels, and a side may have 16,384"
        ),
    ),
    bad_image(
        "a bomb",
        picture(30_000, 30_000, mode="1"),
        SIZE.format(
            len(picture(30_000, 30_000, mode="1")),
            "not a readable image (Image size (900000000 pixels)",
        ),
    ),
    bad_image(
        "a format half known", b"DDS |" + bytes(200), SIZE.format(205, "not a readable image")
    ),
    bad_row("image: not base64", "image: not base64", image="data:image/png;base64,@@@"),
    bad_row("image: a number", "image is int, not bytes", image=5),
    bad_row("image: a list of bytes", "image is list, not bytes", image={"bytes": [1, 2]}),
    bad_row("image: a number for its path", "image_path is int, not text", image={"path": 7}),
    bad_path("not there", "no.png", "unreadable image: no image file 'no.png'"),
    bad_path("a folder", ".", "unreadable image: no image file '.'"),
    bad_path(
        "out of the folder",
        "/etc/hostname",
        "unreadable image: image path '/etc/hostname' leads out of the folder",
    ),
    bad_path(
        "an address",
        "https://example.com/a.png",
        "unreadable image: no image file 'https://example.com/a.png'",
    ),
    bad_path(
        "a zero byte",
        "a\0b.png",
        r"unreadable image: image file 'a\x00b.png' cannot be read (embedded null byte)",
    ),
    bad_path(
        "300 characters",
        "a" * 300,
        f"unreadable image: image file '{'a' * 80}...' cannot be read (File name too long)",
    ),
    bad_path(
        "5000 characters",
        "a/" * 2500,
        f"unreadable image: image file '{'a/' * 40}...' cannot be read (File name too long)",
    ),
    bad_path(
        "base64 without its header",
        base64.b64encode(picture()).decode(),
        "unreadable image: no image file 'iVBORw0KGgo",
    ),
    bad_path(
        "long base64 without its header",
        "iVBORw0KGgo" + "A" * 9000,
        "unreadable image: image file 'iVBORw0KGgo",
    ),
    bad_path(
        "a JPEG's base64 without its header",
        base64.b64encode(picture(kind="JPEG")).decode(),
        "unreadable image: image path '/9j/",
    ),
    # Parquet.
    bad_column("Latin-1 question", "question", latin(), f"question {NO_UNICODE}"),
    bad_column("Latin-1 response", "chosen", latin(), f"chosen {NO_UNICODE}"),
    bad_column("Latin-1 id", "idx", latin(), f"{EMPTY} (pair 'Caf??')"),
    bad_column("Latin-1 path in a struct", "image", nested_latin(), f"image_path {NO_UNICODE}"),
    bad_column(
        "a time beyond the calendar", "at", pa.array([2**62] * 2, pa.timestamp("us")), EMPTY
    ),
    bad_column("texts by number", "chosen", pa.array(["a", "b"]).dictionary_encode(), EMPTY),
    bad_cell("numbers for texts", "row 0: question is int, not text", question=5),
    bad_cell("text for an image", "row 0: unreadable image: no image file 'a.png'", image="a.png"),
    bad_cell("a decimal", f"row 0: {EMPTY}", question="", price=Decimal("1.5")),
    bad_file(
        "two columns of one name",
        "a.parquet",
        two_questions(),
        "the column 'question' stands there twice",
    ),
    bad_file(
        "no rejected",
        "a.parquet",
        parquet(without("rejected")),
        "no column 'rejected'; it has idx, question,",
    ),
    bad_file("no rows", "a.parquet", parquet(table=pa.Table.from_pylist([cell()])[:0]), "no rows."),
    bad_file(
        "cut off",
        "a.parquet",
        parquet(cell())[:-100],
        "cannot be read as preference data: the parquet file is cut off",
    ),
    bad_file("damaged", "a.parquet", damaged(parquet(*[cell()] * 50)), "damaged after row 0"),
    bad_file(
        "a pointer of git's",
        "a.parquet",
        b"version https://git-lfs.github.com/spec/v1\n",
        "cannot be read as preference data: it begins with b'version '",
    ),
    # JSON.
    bad_file("nothing", "a.jsonl", b"", "the file is empty."),
    bad_file("blank lines", "a.jsonl", b"\n\n\n", "cannot be read as preference data"),
    bad_file("packed", "a.jsonl", b"\x1f\x8b\x08\0\0", "cannot be read as preference data"),
    bad_file(
        "UTF-16", "a.jsonl", json.dumps(row()).encode("utf-16"), "cannot be read as preference data"
    ),
    bad_file(
        "no field",
        "a.jsonl",
        lines({}),
        "it has no row that can be read, the first is a.jsonl row 0: an object without fields",
    ),
    bad_file(
        "too deep",
        "a.jsonl",
        b'{"a": ' + b"[" * 100_000,
        "it has no row that can be read, the first is a.jsonl row 0: invalid JSON",
    ),
    bad_file(
        "other fields",
        "a.jsonl",
        lines({"prompt": "?"}),
        "no column 'question', 'chosen', 'rejected', 'image'; it has prompt.",
    ),
    bad_file("an empty list", "a.json", b"[]", "it has no rows."),
    bad_file(
        "numbers",
        "a.json",
        b"[1, 2]",
        "it has no row that can be read, the first is a.json row 0: int instead of an object",
    ),
    bad_file("an object", "a.json", b'{\n"train": []}', "holds one JSON object."),
    bad_file("an object too deep", "a.json", b'{"a": ' + b"[" * 4000, "holds one JSON object."),
    bad_file(
        "cut off",
        "a.json",
        listed(row(), row())[:-40],
        "the JSON list is cut off or damaged after 1 rows",
    ),
    bad_file(
        "too deep",
        "a.json",
        b'[{"a": ' + b"[" * 100_000,
        "the JSON list is cut off or damaged after 0 rows",
    ),
    bad_file(
        "two lists",
        "a.json",
        listed(row()) + b"\n" + listed(row()),
        "something follows the JSON list, after 1 rows.",
    ),
    bad_file(
        "no comma",
        "a.json",
        b"[" + json.dumps(row()).encode() + b" x ]",
        "the JSON list is cut off or damaged after 1 rows",
    ),
    # The whole.
    Case("the same row twice", lines(row(), row()), "a.jsonl row 1: repeats a.jsonl row 0"),
    Case(
        "no good row is left",
        lines(row(question="")),
        "all 1 rows cannot be used",
        more=("--max-bad-rows", "5"),
    ),
    Case("no origin_split", lines(row()), "no column 'origin_split'", more=("--where", "a=b")),
)
