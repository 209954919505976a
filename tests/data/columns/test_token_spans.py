"""Spans: found in data of every kind, refused with their place, computed, and written."""

import csv
import json
import re
import sys

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.commands.app import app
from harness.data.columns.catalog import require_token_columns, token_columns_in
from harness.data.columns.tokens.columns import ensure_token_columns
from harness.data.columns.tokens.spans import Span, spans_of, values_at
from harness.data.columns.tokens.token_severity import differing
from harness.data.pairs.export import write_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError, DataError, HarnessError, MissingColumn
from harness.settings.spec import HardnessSpec

SETTINGS = HardnessSpec(clip="none")
TEXT = "A red dog. A cat."
FORMS = [
    [[2, 5, 1], [11, 16, -0.5]],
    [[11, 16, -0.5], [2.0, 5.0, 1.0]],
    [{"start": 2, "end": 5, "value": 1}, {"start": 11, "end": 16, "value": -0.5}],
    "[[2, 5, 1], [11, 16, -0.5]]",
    '[{"start": 2, "end": 5, "value": 1.0}, [11, 16, -0.5]]',
]


@pytest.mark.parametrize("held", FORMS)
def test_every_form_is_the_same_spans(held):
    spans = spans_of(held, TEXT)
    assert spans == (Span(2, 5, 1.0), Span(11, 16, -0.5))
    assert values_at([-1, 1, 2, 4, 5, 10, 11, 15, 16], spans) == [0, 0, 1, 1, 0, 0, -0.5, -0.5, 0]


BAD = [
    (None, "nothing is there; write [] where no token has a number"),
    ("[[0, 1", "is no JSON"),
    ({"start": 0}, "is no list of spans"),
    ([0, 3, 1.0], "0 is no span [start, end, value]"),
    ([[0, 3]], "[0, 3] is no span"),
    ([{"start": 0, "end": 3}], "has not the fields start, end and value alone"),
    ([[0, 3, "much"]], "is no finite number"),
    ([[0, 3, True]], "is no finite number"),
    ("[[0, 3, NaN]]", "is no finite number"),
    ([[0, 3, 1e39]], "is no finite number of 32 bits"),
    ([[0.5, 3, 1]], "are no whole numbers"),
    ([[3, 3, 1]], "is empty or lies outside the response, which has 17 characters"),
    ([[-1, 3, 1]], "is empty or lies outside"),
    ([[2, 18, 1]], "is empty or lies outside"),
    ([[0, 4, 1], [3, 5, 1]], "the spans [0, 4, 1.0] and [3, 5, 1.0] overlap"),
]


@pytest.mark.parametrize(("held", "told"), BAD)
def test_what_are_no_spans_says_why(held, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        spans_of(held, TEXT)


def jsonl(rows, folder):
    image = {"bytes": "aW1n", "path": None}
    rows = [row | {"image": image, "question": "What?"} for row in rows]
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def two(chosen, rejected):
    """Two rows, of which the first has no spans."""
    texts = {"chosen": TEXT, "rejected": "It is a cat."}
    return [
        texts | {"idx": "a", "chosen_severity": [], "rejected_severity": []},
        texts | {"idx": "b", "chosen_severity": chosen, "rejected_severity": rejected},
    ]


def found(file, cache):
    columns = ensure_token_columns(Preferences(file), {"severity"}, SETTINGS, cache)
    return [one["severity"] for one in columns]


EXPECTED = [((), ()), ((Span(2, 5, 1.0), Span(11, 16, -0.5)), (Span(0, 2, 3.0),))]


@pytest.mark.parametrize("held", FORMS[:4])
def test_jsonl(held, tmp_path):
    assert found(jsonl(two(held, [[0, 2, 3]]), tmp_path), tmp_path) == EXPECTED


def test_csv(tmp_path):
    rows = two(*(json.dumps(one) for one in (FORMS[0], [[0, 2, 3]])))
    rows[0] |= {"chosen_severity": "[]", "rejected_severity": "[]"}
    file = tmp_path / "pairs.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "question", "image_path"])
        writer.writeheader()
        writer.writerows(row | {"question": "What?", "image_path": "x.png"} for row in rows)
    assert found(file, tmp_path) == EXPECTED


@pytest.mark.parametrize("held", [FORMS[1], FORMS[2], FORMS[3]])
def test_parquet_and_what_is_written_of_it(held, rows, write, tmp_path):
    for row, own in zip(rows, two(held, "[[0, 2, 3]]")[1:] * len(rows), strict=True):
        row |= own | {"rejected": f"{own['rejected']} {row['idx']}"}
    pairs = Preferences(write(rows))
    assert token_columns_in(pairs) == ["severity"]
    write_pairs(pairs, {}, tmp_path / "again.parquet")
    assert found(tmp_path / "again.parquet", tmp_path) == EXPECTED[1:] * len(rows)


def test_a_fault_names_file_row_column_and_what_to_do(tmp_path):
    with pytest.raises(DataError) as caught:
        found(jsonl(two([], [[0, 99, 1]]), tmp_path), tmp_path)
    said = str(caught.value)
    assert "pairs.jsonl row 1, column 'rejected_severity': span [0, 99, 1] is empty or" in said
    assert "Repair it: it is a list of [start, end, value]" in said


def test_a_row_of_several_pairs_has_no_spans(tmp_path):
    """Three completions are three pairs: whose spans would these be?"""

    def completion(number):
        return {"response": f"Answer {number}.", "annotations": {"a": {"Rating": str(number)}}}

    row = {
        "id": "1",
        "prompt": "What?",
        "completions": [completion(number) for number in range(3)],
        "img_path": "x.png",
        "chosen_severity": [],
        "rejected_severity": [[0, 6, 1]],
    }
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="row 0 makes several pairs, so 'chosen_severity' and its"):
        found(file, tmp_path)


def test_spans_of_one_side_alone_are_none(tmp_path):
    rows = two([], [])
    for row in rows:
        del row["rejected_severity"]
    pairs = Preferences(jsonl(rows, tmp_path))
    with pytest.raises(MissingColumn) as caught:
        require_token_columns(pairs, {"severity"}, "method 'mine'")
    said = str(caught.value)
    assert "no columns 'chosen_severity', 'rejected_severity' of spans, which method 'mine'" in said
    assert "The data have no token column." in said
    assert "Nearest that can be computed: 'token_severity', with: python -m harness prepare" in said


def test_a_missing_one_names_the_nearest_of_the_data(tmp_path):
    pairs = Preferences(jsonl(two([], []), tmp_path))
    with pytest.raises(MissingColumn, match="Token columns in the data: 'severity'"):
        require_token_columns(pairs, {"severities"}, "a method")


def test_a_column_of_pairs_is_none_of_tokens(tmp_path):
    pairs = Preferences(jsonl(two([], []), tmp_path))
    with pytest.raises(MissingColumn, match="'chosen_clip_gap', 'rejected_clip_gap' of spans"):
        require_token_columns(pairs, {"clip_gap"}, "a method")


def test_sentences_that_the_other_lacks_are_marked_to_their_full_stop():
    wrong, right = "A red cube. Two cats.  A dog.", "A red cube. A dog."
    assert differing(wrong, right) == (Span(12, 21, 1.0),)
    assert wrong[12:21] == "Two cats."
    assert differing(right, wrong) == ()
    assert differing("no", "yes") == (Span(0, 2, 1.0),)


def counted(mislabelled):
    rows = two([], [])
    for row in rows:
        del row["chosen_severity"], row["rejected_severity"]
        row["origin_split"] = json.dumps({"errors": 2, "mislabelled": mislabelled})
    return rows


@pytest.mark.parametrize("mislabelled", ["no", "yes"])
def test_token_severity_marks_the_wrong_response(mislabelled, tmp_path):
    file = jsonl(counted(mislabelled), tmp_path)
    columns = ensure_token_columns(Preferences(file), {"token_severity"}, SETTINGS, tmp_path)
    chosen, rejected = (Span(0, 10, 1.0), Span(11, 17, 1.0)), (Span(0, 12, 1.0),)
    expected = (chosen, ()) if mislabelled == "yes" else ((), rejected)
    assert [one["token_severity"] for one in columns] == [expected] * 2


def test_data_that_count_no_errors_are_told_what_is_lacking(tmp_path):
    pairs = Preferences(jsonl(two([], []), tmp_path))
    with pytest.raises(MissingColumn, match=r"no columns 'chosen_token_severity', .* counts `err"):
        require_token_columns(pairs, {"token_severity"}, "a method")


def test_prepare_writes_both_columns_and_a_run_finds_them(rows, write, tmp_path):
    for row in rows:
        row["origin_split"] = json.dumps({"errors": 1})
    source, out = write(rows), tmp_path / "out.parquet"
    words = ["prepare", "--columns", "token_severity", "--data", str(source), "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    assert "token_severity of 6 pairs" in done.stdout
    assert "0 in chosen, 6 in rejected responses" in done.stdout
    assert pq.read_table(out)["chosen_token_severity"].to_pylist() == [[]] * 6
    written = Preferences(out)
    assert token_columns_in(written) == ["token_severity"]
    for row in rows:
        del row["origin_split"]
    (one, *_) = ensure_token_columns(written, {"token_severity"}, SETTINGS, tmp_path)
    ((start, end, value),) = one["token_severity"][1]
    added = rows[0]["rejected"].removeprefix(rows[0]["chosen"]).strip()
    assert (rows[0]["rejected"][start:end], value) == (added, 1.0)


SOURCE = """
from harness.data.columns.column import TokenColumn


def first_words(pairs, hardness, cache, chat, advance):
    marked = []
    for row in range(len(pairs)):
        texts = pairs.texts(row)
        marked.append(tuple([(0, len(text.split()[0]), 1)] for text in texts[1:3]))
        advance(1)
    FAULT
    return marked


COLUMN = TokenColumn("first_word", first_words, lambda data, hardness: {"data": data})
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a module `made_tokens` and the metadata that an installer leaves behind."""

    def write(fault="pass"):
        info = tmp_path / "site" / "made_tokens-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-two\nVersion: 1.0\n")
        point = "first_word = made_tokens:COLUMN\n"
        (info / "entry_points.txt").write_text(f"[harness.columns]\n{point}")
        (tmp_path / "site" / "made_tokens.py").write_text(SOURCE.replace("FAULT", fault))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        sys.modules.pop("made_tokens", None)

    yield write
    sys.modules.pop("made_tokens", None)


def first_words(tmp_path, fault="pass"):
    pairs = Preferences(jsonl(two([], []), tmp_path))
    return ensure_token_columns(pairs, {"first_word"}, SETTINGS, tmp_path)


def test_a_package_computes_one_and_its_code_is_part_of_the_name(install, tmp_path):
    install()
    columns = first_words(tmp_path)
    assert [one["first_word"] for one in columns] == [((Span(0, 1, 1.0),), (Span(0, 2, 1.0),))] * 2
    install("marked = [both for both in marked]")
    assert first_words(tmp_path).key != columns.key


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raise KeyError('weight')", "it raised KeyError: no 'weight' ("),
        ("marked = marked[1:]", "gives spans for 1 pairs, and there are 2"),
        ("return 3", "`compute` returns int; wanted are the spans"),
        ("marked[1] = ([(0, 99, 1)], [])", "for row 1: span [0, 99, 1] is empty or lies outside"),
    ],
)
def test_a_fault_of_a_package_names_column_package_and_what_to_do(install, tmp_path, fault, told):
    install(fault)
    with pytest.raises(HarnessError) as caught:
        first_words(tmp_path)
    said = str(caught.value)
    assert said.startswith("column 'first_word' of package 'made-two': ")
    assert told in said


def test_read_as_a_number_of_pairs_it_is_refused(install, tmp_path):
    from harness.data.columns.columns import ensure_columns

    install()
    pairs = Preferences(jsonl(two([], []), tmp_path))
    with pytest.raises(ConfigError, match="is of type TokenColumn, not Column"):
        ensure_columns(pairs, frozenset({"first_word"}), SETTINGS, tmp_path)
