"""What a user asked for on the command line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.llm.messages import ChatSettings
from harness.settings.spec import Strict


class Request(Strict):
    """One call of `reproduce`."""

    method: str
    size: str = "tiny"
    variant: str | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    overrides: tuple[str, ...] = Field(default=(), description="As `key=value`, last one counts.")
    devices: int | None = Field(default=None, gt=0, description="None: as the preset says.")
    launcher: Literal["local", "hostfile", "slurm"] = "local"
    hostfile: Path | None = Field(default=None, description="Hosts and their slots.")
    sbatch: tuple[str, ...] = Field(default=(), description="Options of sbatch, as `key=value`.")
    words: tuple[str, ...] = Field(
        default=(), description="The command line of this call, for a job that repeats it."
    )
    ablate: bool = Field(default=False, description="All rows of the method's ablation table.")
    crosscheck: bool = Field(
        default=False, description="Also score with lmms-eval's own mmvet and llava_in_the_wild."
    )
    dry_run: bool = Field(default=False, description="Check and print the plan, then end.")
    judging: ChatSettings = Field(
        default=ChatSettings(), description="How the judge is reached and what it may cost."
    )
    out: Path = Field(default=Path("results"), description="Holds runs/ and tables/.")
