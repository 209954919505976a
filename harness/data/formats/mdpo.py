"""mDPO: `prompt` with the whole template around the question, and `img_path`.

Source: mDPO:data/sample_data.json (ec316ce).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.data.formats.format import Fields, Format
from harness.data.formats.pair import RawPair, RowFault, image_of
from harness.data.templates import TEMPLATES

_PROMPT, _ANSWER = "USER: ", " ASSISTANT:"


def question_in(prompt: str) -> str:
    """Return the question in a prompt that is written out, or the prompt if it is none.

    Raises:
        RowFault: It is written out with a system text that no template has, or has several turns.
    """
    if not prompt.rstrip().endswith(_ANSWER) or _PROMPT not in prompt:
        return prompt
    system, _, rest = prompt.rstrip().removesuffix(_ANSWER).partition(_PROMPT)
    if system.strip() not in {"", *(template.system for template in TEMPLATES.values())}:
        raise RowFault(
            "prompt: begins with a system text of its own, where the template has another"
        )
    if _ANSWER.strip() in rest:
        raise RowFault("prompt: has several turns in one text. Write them as messages")
    return rest


def _fits(fields: Fields) -> bool:
    return fields.hold("text", "prompt", "chosen", "rejected", "img_path")


def _pairs(values: Mapping[str, Any]) -> Iterator[RawPair]:
    prompt = values.get("prompt")
    question = question_in(prompt) if isinstance(prompt, str) else prompt
    image, path = image_of(values, "img_path")
    yield RawPair(question, values.get("chosen"), values.get("rejected"), image, path)


FORMAT = Format(
    "mdpo",
    "`prompt` with the template written out, `img_path`: mDPO",
    _fits,
    _pairs,
    frozenset({"prompt", "img_path"}),
)
