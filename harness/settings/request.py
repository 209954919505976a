"""What a user asked for on the command line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.llm.messages import ChatSettings
from harness.settings.spec import LARGEST_SEED, LARGEST_WORLD, Strict

Again = Literal["training", "answers", "judgements"]
"""What is made again, and with it all that depends on it."""


class Request(Strict):
    """One call of `reproduce`."""

    method: str = Field(description="See: list methods.")
    size: str = Field(default="tiny", description="See: list sizes.")
    variant: str | None = Field(default=None, description="A variant of the preset.")
    seeds: tuple[Annotated[int, Field(ge=0, le=LARGEST_SEED)], ...] = Field(
        default=(0,), min_length=1, description="Numbers, separated by commas."
    )
    worlds: tuple[Annotated[int, Field(ge=0, le=LARGEST_WORLD)], ...] = Field(
        default=(0,),
        min_length=1,
        description="Tiny worlds, as numbers separated by commas; every seed is run in each.",
    )
    overrides: tuple[str, ...] = Field(
        default=(), description="Replace a value of the preset; repeatable, the last one counts."
    )
    devices: int | None = Field(
        default=None, gt=0, description="Training processes, one per device."
    )
    launcher: Literal["local", "hostfile", "slurm"] = Field(
        default="local", description="local, hostfile or slurm: where to train."
    )
    hostfile: Path | None = Field(
        default=None, description="Hosts for hostfile, as lines: node1 slots=4"
    )
    sbatch: tuple[str, ...] = Field(
        default=(), description="Option of sbatch for slurm; repeatable."
    )
    words: tuple[str, ...] = Field(
        default=(), description="The command line of this call, for a job that repeats it."
    )
    ablate: bool = Field(
        default=False, description="Run and print the method's ablation table instead."
    )
    crosscheck: bool = Field(
        default=False,
        description="Also score with lmms-eval's own tasks, where it has them.",
    )
    track: tuple[str, ...] = Field(
        default=(),
        description="Send the steps to tensorboard, wandb or mlflow, with commas between; "
        "decides nothing of a run.",
    )
    again: Again | None = Field(
        default=None, description="Set aside what is finished of these, and make it anew."
    )
    dry_run: bool = Field(default=False, description="The same as the command plan.")
    judging: ChatSettings = Field(
        default=ChatSettings(), description="How the judge is reached and what it may cost."
    )
    out: Path = Field(default=Path("results"), description="Folder that holds runs/ and tables/.")
