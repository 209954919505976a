"""Options of the commands that may use more machines than this one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

LauncherName = Annotated[
    Literal["local", "hostfile", "slurm"],
    typer.Option("--launcher", metavar="NAME", help="local, hostfile or slurm: where to train."),
]
Hostfile = Annotated[
    Path | None,
    typer.Option("--hostfile", metavar="FILE", help="Hosts for hostfile, as lines: node1 slots=4"),
]
Sbatch = Annotated[
    list[str] | None,
    typer.Option("--sbatch", metavar="KEY=VALUE", help="Option of sbatch for slurm; repeatable."),
]
