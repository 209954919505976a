"""Texts inside scripts: read from the syntax tree, and nothing of the script ever runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.upstream.literals import string_literal


def read(source, name="prompt"):
    return string_literal(source.encode(), name, "script.py")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('prompt = "a {question}"', "a {question}"),
        ('prompt = """a\n\\"b\\"\n"""', 'a\n"b"\n'),
        ('prompt = ("a "\n "b")', "a b"),
        ('prompt = "a " + "b" + "c"', "a bc"),
        ('prompt: str = "a"', "a"),
        ('other = prompt = "a"', "a"),
        ('def f():\n    prompt = "inside {}"', "inside {}"),
        ('prompt = "outside"\ndef f():\n    prompt = "inside"', "outside"),
        ("prompt = '''a\r\nb\r\n'''", "a\nb\n"),
    ],
)
def test_a_literal_is_read_as_python_reads_it(source, text):
    assert read(source) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_every_text_survives(text):
    assert read(f"prompt = {text!r}") == text


@pytest.mark.parametrize(
    "source",
    [
        'prompt = f"a {1 + 1}"',
        'prompt = "a".strip()',
        'prompt = open("file").read()',
        "prompt = 3",
        'prompt = "a"\nprompt = "b"',
        'template = "a"',
        'prompt += "a"',
        "def f(:",
        "prompt = '\0'",
        "(" * 5000,
    ],
)
def test_what_would_have_to_be_computed_is_refused(source):
    with pytest.raises(DataError, match=r"script\.py"):
        read(source)


def test_nothing_of_the_script_runs(tmp_path):
    witness = tmp_path / "ran"
    source = f'open({str(witness)!r}, "w").close()\nprompt = "a"\nraise SystemExit(3)\n'
    assert read(source) == "a"
    assert not witness.exists()


def test_bytes_that_are_not_utf8_are_refused():
    with pytest.raises(DataError, match="not a readable Python script"):
        string_literal(b'prompt = "\xff"', "prompt", "script.py")
