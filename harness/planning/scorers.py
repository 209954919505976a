"""What splits and scores the responses of the pairs, where clip_gap is computed: is it here?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.files.hub_names import on_hub
from harness.planning.language_models import computes_clip_gap
from harness.settings.spec import HardnessSpec, RunSpec


def scorer_problems(specs: Sequence[RunSpec]) -> Iterator[str]:
    """Look at the CLIP and the splitter of runs that compute clip_gap."""
    hardness = specs[0].data.hardness
    problems = [*_clip_problems(hardness), *_splitter_problems(hardness)]
    if problems and computes_clip_gap(specs):
        yield from problems


def _clip_problems(hardness: HardnessSpec) -> Iterator[str]:
    kind, _, place = hardness.clip.partition(":")
    if kind == "local-dir":
        file = Path(place) / "open_clip_config.json"
        fault = None if file.is_file() else f"there is no {file}"
    else:
        fault = None if place else "no weights are named, and no folder"
    if fault:
        yield (
            f"data.hardness.clip {hardness.clip}: {fault}. Write local-dir:FOLDER with a folder of "
            "open_clip, hf-hub:NAME or ARCHITECTURE:WEIGHTS."
        )


def _splitter_problems(hardness: HardnessSpec) -> Iterator[str]:
    model = hardness.splitter_model
    if hardness.splitter != "local":
        return
    if model is None:
        yield "data.hardness.splitter local: name its text model with data.hardness.splitter_model."
    elif not on_hub(model) and not Path(model).is_dir():
        yield (
            f"data.hardness.splitter_model {model}: no such folder, and no name on the hub. Give a "
            "folder written by save_pretrained, or owner/name."
        )
