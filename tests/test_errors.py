"""No message shows a secret of an address, whoever wrote the message."""

import pytest

from harness.errors import DataError, without_secrets

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
