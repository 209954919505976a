"""Options of the commands that compute or show how hard pairs are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.settings.spec import DataSpec

Data = Annotated[
    str,
    typer.Option(
        "--data", metavar="F", help="Preference file, folder, hub id, or world:preferences."
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Only rows with it in origin_split."),
]
MaxBadRows = Annotated[
    int, typer.Option("--max-bad-rows", min=0, help="Unusable rows that are left out.")
]
ClipName = Annotated[
    str | None,
    typer.Option(
        "--clip",
        help="open_clip ARCHITECTURE:WEIGHTS, hf-hub:NAME or a folder. "
        "Default: ViT-L-14-336-quickgelu:openai; of the tiny world its own.",
    ),
]
SplitterName = Annotated[
    str, typer.Option("--splitter", help="sentences, endpoint, or local (a text model here).")
]
SplitterModel = Annotated[
    str | None,
    typer.Option("--splitter-model", help="Model at the endpoint; folder or hub id if local."),
]
AggregationName = Annotated[
    str | None,
    typer.Option(
        "--aggregation",
        help="sum_of_cosines, mean_of_cosines, sum_of_joint_softmax or mean_of_joint_softmax.",
    ),
]
UnscoredRule = Annotated[
    str,
    typer.Option("--unscored", help="If the model does not split a response: stop or sentences."),
]
DEFAULT_CLIP = "ViT-L-14-336-quickgelu:openai"
"""As in the presets of size 7b and 13b."""


def data_spec(
    data: str,
    where: list[str] | None = None,
    max_bad_rows: int = 0,
    clip: str | None = None,
    splitter: str = "sentences",
    splitter_model: str | None = None,
    aggregation: str | None = None,
    unscored: str = "stop",
) -> "DataSpec":
    """Return the specification that these words describe, with every place located.

    Raises:
        ConfigError: A value is not allowed.
    """
    from pydantic import ValidationError

    from harness.errors import ConfigError
    from harness.settings.spec import DataSpec
    from harness.world.places import in_world, locate

    clip = clip or ("world:clip" if in_world(data) else DEFAULT_CLIP)
    if in_world(clip) or Path(clip).is_dir():
        clip = f"local-dir:{locate(clip)}"
    hardness = {
        "clip": clip,
        "splitter": splitter,
        "splitter_model": splitter_model,
        "unscored": unscored,
    }
    if aggregation is not None:
        hardness["aggregation"] = aggregation
    values = {
        "preferences": locate(data),
        "where": dict(_name_and_value(text) for text in where or ()),
        "max_bad_rows": max_bad_rows,
        "hardness": hardness,
    }
    try:
        return DataSpec.model_validate(values)
    except ValidationError as error:
        wrong = [(str(one["loc"][-1]).replace("_", "-"), one["msg"]) for one in error.errors()]
        raise ConfigError("; ".join(f"--{name}: {told}" for name, told in wrong) + ".") from error


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r}: write NAME=VALUE.", param_hint="--where")
    return name, value
