"""Every real format of preference data gives the same pairs; damaged files are named."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.pairs.layout import VERSION
from harness.data.pairs.opening import validate
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.records import records_of
from harness.errors import DataError, MissingColumn
from harness.files.hub_names import MIRROR, on_hub

TEXTS = ("question", "chosen", "rejected")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def with_image_files(rows, folder: Path) -> list[dict]:
    """The rows as the authors of DAMA have them: images in files, no bytes."""
    for row in rows:
        (folder / row["image_path"]).parent.mkdir(parents=True, exist_ok=True)
        (folder / row["image_path"]).write_bytes(row["image"]["bytes"])
    return [{name: value for name, value in row.items() if name != "image"} for row in rows]


def in_text(row: dict) -> dict:
    """The row as RLHF-V has it: texts as JSON, number as id."""
    rest = {name: value for name, value in row.items() if name not in TEXTS}
    return rest | {"text": json.dumps({name: row[name] for name in TEXTS}), "idx": int(row["idx"])}


def facts(pairs: Preferences) -> list[tuple]:
    return [(p.row, p.pair_id, p.question, p.chosen, p.rejected, p.image) for p in pairs]


def jsonl(file: Path, rows) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_all_formats_hold_the_same_pairs(rows, write, folder):
    expected = Preferences(write(rows))
    rlhf_v = folder / "rlhf_v.parquet"
    pq.write_table(pa.Table.from_pylist([in_text(row) for row in rows]), rlhf_v)
    plain = with_image_files(rows, folder)
    listed = folder / "list.json"
    listed.write_text(json.dumps(plain, indent=1))
    lines = jsonl(folder / "lines.jsonl", plain)
    inside = jsonl(
        folder / "inside.jsonl",
        [
            row
            | {"image": "data:image/png;base64," + base64.b64encode(old["image"]["bytes"]).decode()}
            for row, old in zip(plain, rows, strict=True)
        ],
    )
    assert expected.format == "rlaif_v"
    for file, format_ in (
        (rlhf_v, "rlhf_v"),
        (listed, "plain"),
        (lines, "plain"),
        (inside, "plain"),
    ):
        pairs = Preferences(file)
        assert (pairs.format, facts(pairs)) == (format_, facts(expected)), file
        validate(pairs)
        assert pairs.column("clip_gap") == [row["clip_gap"] for row in rows]


def test_the_authors_file_gives_clip_gaps_and_reference_sums(rows, folder):
    """clip_gap = (0.5 + 0.25) - (0.125) = 0.625; logps holds sum, mean and tokens of both."""
    plain = with_image_files(rows[:2], folder / "images")
    logps = [-10.0, -2.0, [-4.0, -6.0], -30.0, -3.0, [-30.0]]
    for row, wrapped in zip(plain, (logps, {"logps": logps}), strict=True):
        del row["clip_gap"]
        row |= {"chosen_logits": "[0.5, 0.25]", "rejected_logits": "[0.125]"}
        row["logps"] = json.dumps(wrapped)
    (folder / "train.json").write_text(json.dumps(plain))
    pairs = Preferences(folder)
    assert pairs.format == "dama"
    assert pairs.column("clip_gap") == [0.625, 0.625]
    assert pairs.column("reference_logps_chosen") == [-10.0, -10.0]
    assert pairs.column("reference_logps_rejected") == [-30.0, -30.0]
    assert [pair.image for pair in pairs] == [row["image"]["bytes"] for row in rows[:2]]
    validate(pairs)


def test_a_mirror_stands_for_the_hub(rows, folder, monkeypatch):
    import world_fixture

    world_fixture.write_rows(folder / "openbmb" / "Some-Data" / "data" / "train-0.parquet", rows)
    monkeypatch.setenv(MIRROR, str(folder))
    assert len(Preferences("openbmb/Some-Data@abc123")) == 6
    with pytest.raises(DataError, match=r"there is no folder .*openbmb/Other"):
        Preferences("openbmb/Other")


def test_the_hub_is_asked_for_the_revision(rows, folder, monkeypatch):
    """The hub's cache keeps links into a folder beside: they are trusted, as no one else's are."""
    import huggingface_hub

    blob = folder / "blobs" / "1"
    blob.parent.mkdir()
    blob.write_bytes(rows[0]["image"]["bytes"])
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    plain = {name: value for name, value in rows[0].items() if name != "image"}
    jsonl(snapshot / "pairs.jsonl", [plain])
    (snapshot / rows[0]["image_path"]).symlink_to("../../blobs/1")
    asked = {}
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda name, **options: asked.update(options, name=name) or str(snapshot),
    )
    pairs = Preferences("owner/data@abc")
    assert (asked["name"], asked["revision"], asked["repo_type"]) == (
        "owner/data",
        "abc",
        "dataset",
    )
    validate(pairs)


def test_a_data_set_that_cannot_be_fetched_says_what_to_do():
    with pytest.raises(DataError, match=r"owner/no-such-data: cannot be fetched.*HF_ENDPOINT"):
        Preferences("owner/no-such-data")


def test_what_is_a_name_on_the_hub():
    assert on_hub("openbmb/RLAIF-V-Dataset")
    assert on_hub("a/b@v1.0")
    assert not any(map(on_hub, ("pairs", "./a/b", "/a/b", "a/b.parquet", "a/b/c", "../b")))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.parquet", b"", "the file is empty"),
        ("a.parquet", b"PK\x03\x04 zip", "neither parquet"),
        ("a.parquet", b"PAR1 and then nothing", "cut off or damaged"),
        ("a.json", b'{"question": 1}\n', "no column 'chosen', 'rejected', 'image'"),
        ("a.json", b'{\n "train": []\n}', "one JSON object"),
        ("a.json", b"[]", "it has "),
        (
            "a.json",
            b'[{"question": "a", "chosen"',
            "the JSON list is cut off or damaged after 0 rows",
        ),
        ("a.json", b'[{"question": "a"}, {"chosen', "cut off or damaged after 1 rows"),
        ("a.txt", b"hello", "neither parquet"),
    ],
)
def test_a_file_that_is_no_data_is_refused(folder, name, content, told):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        Preferences(folder / name)
    assert told in str(error.value)
    assert str(folder / name) in str(error.value)


def test_a_truncated_parquet_file_is_refused(rows, write):
    file = write(rows)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train-0.parquet.*cut off or damaged"):
        Preferences(file)


def test_damaged_pages_are_found_when_they_are_read(rows, write):
    file = write(rows)
    content = bytearray(file.read_bytes())
    content[4:400] = b"\xff" * 396
    file.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"train-0.parquet: damaged after row 0"):
        Preferences(file)


def test_shards_with_different_columns_are_refused(rows, write):
    first = write(rows[:3])
    other = [{**row, "clip_gap": str(row["clip_gap"])} for row in rows[3:]]
    pq.write_table(pa.Table.from_pylist(other), first.with_name("train-1.parquet"))
    with pytest.raises(
        DataError, match=r"'clip_gap' is double in train-0.parquet and string in train-1.parquet"
    ):
        Preferences(first.parent)


def test_files_of_two_kinds_under_one_suffix_are_refused(rows, folder):
    plain = with_image_files(rows, folder)
    jsonl(folder / "a.json", plain)
    (folder / "b.json").write_text(json.dumps(plain))
    with pytest.raises(DataError, match=r"a.json is jsonl and b.json is json"):
        Preferences(folder)


def test_a_text_column_of_rlhf_v_without_image_is_a_missing_column(rows, folder):
    row = in_text(rows[0])
    del row["image"]
    pq.write_table(pa.Table.from_pylist([row]), folder / "a.parquet")
    with pytest.raises(MissingColumn, match="no column 'image'"):
        Preferences(folder)


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=40) | st.integers(), max_size=4),
        max_size=8,
    ),
    st.sampled_from([None, 1]),
)
def test_a_json_list_is_read_in_pieces_as_it_is_read_whole(tmp_path_factory, values, indent):
    file = tmp_path_factory.mktemp("list") / "a.json"
    file.write_text(json.dumps(values, indent=indent))
    from harness.data.pairs import records

    original, records._CHUNK = records._CHUNK, 3
    try:
        assert [record.values for record in records_of(file, "json")] == values
    finally:
        records._CHUNK = original


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_row_larger_than_the_memory_is_not_read_whole(folder, rows, name, monkeypatch):
    from harness.data.pairs import records

    plain = with_image_files(rows[:2], folder)
    plain[1]["question"] = "what " * 4000
    texts = [json.dumps(row) for row in (*plain, plain[0])]
    listed = name == "a.json"
    (folder / name).write_text(f"[{','.join(texts)}]" if listed else "\n".join(texts))
    monkeypatch.setattr(records, "_MOST_BYTES", 8000)
    monkeypatch.setattr(records, "_CHUNK", 1000)
    if listed:
        with pytest.raises(DataError, match="cut off or damaged after 1 rows"):
            list(records_of(folder / name, "json"))
    else:
        faults = [record.fault for record in records_of(folder / name, "jsonl")]
        assert faults == [None, "longer than 8,000 bytes", None]


def test_a_folder_named_like_a_file_is_looked_into(rows, folder):
    """As other programs write a data set: data.parquet/part-0.parquet."""
    import world_fixture

    world_fixture.write_rows(folder / "data.parquet" / "part-0.parquet", rows)
    assert len(Preferences(folder)) == len(rows)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", f"owner/{'a' * 300}"], ids=len)
def test_a_name_that_no_file_can_have_is_told_as_missing(name):
    with pytest.raises(DataError, match=r"there is no such file or folder|cannot be fetched"):
        Preferences(name)


def test_the_second_opening_converts_nothing(rows, write):
    file = write(rows)
    told: list[int] = []
    Preferences(file, advance=told.append)
    Preferences(file, advance=told.append)
    assert sum(told) == len(rows)


def test_a_killed_conversion_leaves_nothing_that_counts(write, cache, tmp_path):
    """Killed while it converts 4000 rows, it starts again and gives all of them."""
    import world_fixture

    rows = world_fixture.rows(200) * 20
    for i, row in enumerate(rows):
        rows[i] = row | {"idx": str(i)}
    file = write(rows)
    code = (
        "import sys, time\nfrom harness.data.pairs.preferences import Preferences\n"
        "def advance(rows):\n    print(rows, flush=True)\n    time.sleep(0.05)\n"
        f"Preferences({str(file)!r}, advance=advance)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list((cache / "preferences").glob("*.partial"))
    assert not list((cache / "preferences").glob("*.arrow"))
    start = time.monotonic()
    pairs = Preferences(file)
    assert time.monotonic() - start < 60
    assert [pairs.pair_id(row) for row in (0, 3999)] == ["0", "3999"]
    assert not list((cache / "preferences").glob("*.partial"))


def test_what_killed_conversions_of_other_data_left_is_removed(rows, write, cache):
    """But not what another process is writing, which holds its lock."""
    from harness.files.locks import FileLock

    folder = cache / "preferences"
    folder.mkdir(parents=True)
    left, written = (folder / f".{name}-v{VERSION}.arrow.partial" for name in ("left", "written"))
    for part in (left, written):
        part.write_bytes(b"half")
    with FileLock(str(folder / f"written-v{VERSION}.arrow.lock")):
        Preferences(write(rows))
    assert not left.exists()
    assert written.exists()
