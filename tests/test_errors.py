"""No message shows a secret of an address, nor a class of Python, whoever wrote the message."""

import json
from pathlib import Path

import pytest

from harness.errors import DataError, in_words, without_secrets

SHOWN = {
    "https://me:word@host/v1": "https://***@host/v1",
    "https://word@host:80": "https://***@host:80",
    "https://me:w@rd@host/a@b": "https://***@host/a@b",
    "https://host/v1?x=1&api_key=word&y=2 gone": "https://host/v1?x=1&api_key=***&y=2 gone",
    "(https://host/v1?X-Amz-Signature=word)": "(https://host/v1?X-Amz-Signature=***)",
    "--judge-url=http://a:b@c --set x=y": "--judge-url=http://***@c --set x=y",
    "https://host/a@b?q=c@d": "https://host/a@b?q=c@d",
    "me@host, key=word": "me@host, key=word",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_what_is_in_front_of_a_host_and_keys_of_a_query_are_replaced(text, shown):
    assert without_secrets(text) == shown


def test_an_error_that_quotes_another_shows_none():
    quoted = OSError("cannot reach https://me:word@host/api")
    assert str(DataError(f"no model ({quoted})")) == (
        "no model (cannot reach https://***@host/api)"
    )


def raised(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (which one, each case knows)
        call()
    return caught.value


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Path("/nowhere/file").read_text(), "No such file or directory"),
        (lambda: {}["key"], "no 'key'"),
        (lambda: b"a\xff".decode(), "not UTF-8: byte 0xff"),
        (lambda: json.loads("[" * 100_000), "nested too deeply"),
        (lambda: int("x\ny"), r"invalid literal for int() with base 10: 'x\ny'"),
    ],
)
def test_an_error_of_python_is_put_in_words(call, said):
    assert in_words(raised(call)) == said


def test_what_a_library_says_at_length_is_cut_short():
    said = in_words(ValueError("unknown name.\n  Known: " + "name, " * 1000))
    assert said.startswith("unknown name. Known: name, ")
    assert said.endswith(" ...")
    assert len(said) <= 400
