"""Rows outlive a kill at any byte, and are read while they are written."""

import json
import multiprocessing
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.files.jsonlines import JsonLines

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
ROWS = st.lists(st.dictionaries(st.text(max_size=5), VALUES | st.lists(VALUES), max_size=3))


@pytest.fixture
def lines(tmp_path):
    return JsonLines(tmp_path / "rows.jsonl")


def assert_rows(lines, rows):
    assert lines.read() == rows
    assert lines.count() == len(rows)
    assert lines.first() == (rows[0] if rows else None)
    assert lines.last() == (rows[-1] if rows else None)
    assert next(lines.follow()) == rows


@given(ROWS, ROWS, st.data())
def test_a_cut_at_any_byte_leaves_a_prefix_and_what_is_added_follows_it(
    tmp_path_factory, rows, more, data
):
    lines = JsonLines(tmp_path_factory.mktemp("rows") / "rows.jsonl")
    lines.append(*rows)
    content = lines.path.read_bytes()
    end = data.draw(st.integers(0, len(content)))
    lines.path.write_bytes(content[:end])
    kept = content[:end].count(b"\n")
    assert lines.read() == rows[:kept]
    assert lines.last() == (rows[kept - 1] if kept else None)
    lines.append(*more)
    assert_rows(lines, rows[:kept] + more)
    assert lines.path.read_bytes().startswith(content[: content[:end].rfind(b"\n") + 1])


@given(ROWS, st.data())
def test_a_follower_sees_every_row_once_however_its_bytes_come(tmp_path_factory, rows, data):
    """A row that was torn, cut off and written anew is seen once as well."""
    folder = tmp_path_factory.mktemp("rows")
    whole, lines = JsonLines(folder / "whole.jsonl"), JsonLines(folder / "rows.jsonl")
    whole.append(*rows)
    content = whole.path.read_bytes()
    seen, follower = next(lines.follow()), lines.follow()
    for _ in range(3):
        there = lines.path.stat().st_size if lines.path.exists() else 0
        end = data.draw(st.integers(there, len(content)))
        with lines.path.open("ab") as stream:
            stream.write(content[there:end])
        seen += next(follower)
        if data.draw(st.booleans()):
            lines.cut()
    with lines.path.open("ab") as stream:
        stream.write(content[lines.path.stat().st_size :])
    assert seen + next(follower) == rows
    assert next(follower) == []


def test_a_file_that_is_not_there_has_no_rows_and_is_not_made(lines):
    lines.cut()
    assert_rows(lines, [])
    assert not lines.path.exists()


def test_adding_nothing_makes_an_empty_file_in_a_new_folder(tmp_path):
    lines = JsonLines(tmp_path / "new" / "rows.jsonl")
    lines.append()
    assert lines.path.read_bytes() == b""
    assert_rows(lines, [])


def test_text_stands_in_the_file_as_it_is(lines):
    """U+2028 ends no line; half of a surrogate pair has only its escape."""
    lines.append({"text": "café \u2028\n"}, {"name": "\udc80"})
    assert lines.path.read_bytes() == (
        '{"text": "café \u2028\\n"}\n'.encode() + b'{"name": "\\udc80"}\n'
    )
    assert_rows(lines, [{"text": "café \u2028\n"}, {"name": "\udc80"}])


def test_a_damaged_line_is_an_error(lines):
    lines.path.write_bytes(b'{"a": 1}\n{"b\n{"c": 3}\n')
    with pytest.raises(ValueError, match="Unterminated"):
        lines.read()


@pytest.mark.parametrize("length", [10, 4095, 4096, 4097, 50_000])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_the_last_row_is_found_however_long_it_is(lines, length, before):
    rows = [{"text": "x" * length, "number": i} for i in range(before + 1)]
    lines.append(*rows)
    with lines.path.open("ab") as stream:
        stream.write(b'{"text": "' + b"y" * length)
    assert lines.last() == rows[-1]


def test_the_last_row_of_a_large_file_is_read_without_the_others(lines):
    """The others are no JSON, which reading them would show."""
    lines.path.write_bytes(b"x\n" * 100_000 + b'{"a": 2}\n{"a"')
    assert lines.last() == {"a": 2}


def test_a_replaced_file_is_read_anew(lines):
    """Also when the new one has outgrown the old one."""
    follower = lines.follow()
    lines.append({"a": 1}, {"a": 2})
    assert next(follower) == [{"a": 1}, {"a": 2}]
    lines.rewrite([{"a": 1}])
    lines.append({"a": "new"}, {"a": 3})
    assert next(follower) == [{"a": 1}, {"a": "new"}, {"a": 3}]


def test_rewriting_leaves_the_rows_and_nothing_else(lines, tmp_path):
    lines.append({"a": 1}, {"a": 2})
    lines.rewrite(row for row in lines.read() if row["a"] > 1)
    assert_rows(lines, [{"a": 2}])
    assert list(tmp_path.iterdir()) == [lines.path]


@pytest.mark.parametrize("line", ["null", "[]", "[1, 2]", "7", '"a text"', "{"])
def test_a_line_that_is_no_object_is_no_row(lines, line):
    lines.path.write_text(f"{line}\n")
    for read in (lines.read, lines.first, lines.last, lambda: next(lines.follow())):
        with pytest.raises(ValueError, match=r"no JSON object|Expecting"):
            read()


def write_for_ever(path):
    number = 0
    while True:
        JsonLines(path).append({"number": number, "text": "x" * 100_000})
        number += 1


@pytest.mark.processes
def test_a_killed_writer_costs_its_last_row_alone(lines):
    for _ in range(5):
        before = lines.count()
        writer = multiprocessing.Process(target=write_for_ever, args=(lines.path,))
        writer.start()
        while lines.count() < before + 3:
            assert writer.is_alive()
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        rows = lines.read()
        numbers = [row["number"] for row in rows[before:]]
        assert numbers == list(range(len(numbers)))
        lines.append({"number": -1})
        assert lines.read() == [*rows, {"number": -1}]
        assert all(json.loads(line) for line in lines.path.read_text().splitlines())
