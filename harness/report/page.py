"""Write the page: everything in one file, and a policy that lets it ask for nothing."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.files.digests import text_digest

FOLDER = Path(__file__).parent / "page"
SCRIPTS = ("logic.js", "report.js")

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_IN_SCRIPT = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def visible(text: object) -> object:
    """Name the characters of a text that would not be seen, or would turn its surroundings round.

    What is markup already stays as it is.
    """
    if isinstance(text, Markup) or not isinstance(text, str):
        return text
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def json_block(data: object) -> Markup:
    """Return JSON that no text in it can end early, for a block of a page.

    All that is not ASCII is escaped too, halves of surrogate pairs among them.
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_IN_SCRIPT))


def render(context: Mapping[str, Any], data: object) -> str:
    """Return the page.

    Args:
        context: What the template shows; every text in it is escaped.
        data: What the browser of questions shows, as JSON can hold it.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=False,
    )
    style = _file("report.css")
    script = "".join(map(_file, SCRIPTS))
    return environment.get_template("report.html.j2").render(
        context,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        data=json_block(data),
    )


def _file(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return what the page may do: run its own script, and show pictures that lie in it."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_digest(script)}'",
            f"style-src 'sha256-{_digest(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text_digest(text))).decode()
