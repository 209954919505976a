"""Options of the commands that compute or show a column of preference data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from harness.commands.options.from_model import Flag, Options
from harness.settings.places import in_world
from harness.settings.spec import DataSpec, HardnessSpec

DEFAULT_CLIP = "ViT-L-14-336-quickgelu:openai"
"""As in the presets of size 7b and 13b."""


def data_spec(
    preferences: str,
    where: Sequence[str] = (),
    max_bad_rows: int = 0,
    format: str | None = None,
    **hardness: Any,
) -> DataSpec:
    """Return the specification that these words describe.

    Raises:
        ValidationError: A value is not allowed.
    """
    clip = hardness.pop("clip", None) or ("world:clip" if in_world(preferences) else DEFAULT_CLIP)
    if Path(clip).is_dir():
        clip = f"local-dir:{clip}"  # how open_clip is told to read a folder
    return DataSpec(
        preferences=preferences,
        where=dict(_name_and_value(text) for text in where),
        max_bad_rows=max_bad_rows,
        format=format,
        hardness=HardnessSpec(clip=clip, **hardness),
    )


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: write NAME=VALUE.", param_hint="--where")
    return name, value


_FLAGS = {
    "preferences": Flag("--data", metavar="F"),
    "format": Flag("--format", metavar="NAME"),
    "where": Flag("--where", metavar="NAME=VALUE"),
    "max_bad_rows": Flag("--max-bad-rows"),
    "clip": Flag("--clip", default=f"{DEFAULT_CLIP}; of the tiny world its own."),
    "splitter": Flag("--splitter"),
    "splitter_model": Flag("--splitter-model"),
    "aggregation": Flag("--aggregation"),
    "unscored": Flag("--unscored"),
    "margin_k": Flag("--margin-k"),
}
COMPUTED = Options({**DataSpec.model_fields, **HardnessSpec.model_fields}, _FLAGS, data_spec)
"""Pairs, and how all columns are computed."""
DATA = COMPUTED.only(name for name in _FLAGS if name != "margin_k")
"""Pairs, and how the column that is shown is computed."""
