"""`gpu-check`: what the device of this machine does with the real steps."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.commands.options.common import commands, examples

app = commands()


@app.command(
    "gpu-check",
    epilog=examples(
        "gpu-check --size 7b --layers 4",
        "gpu-check --size 7b --layers all --pairs 4,2,1 --minutes 8",
        "gpu-check --size tiny --device cpu --json check.json",
    ),
)
def gpu_check(
    size: Annotated[str, typer.Option("--size", "-s", help="7b, 13b or tiny.")] = "7b",
    layers: Annotated[
        str, typer.Option("--layers", metavar="N|all", help="Decoder layers of the model.")
    ] = "all",
    pairs: Annotated[
        str, typer.Option("--pairs", help="Pairs of a step, in order of worth.")
    ] = "4,2,1",
    warmup: Annotated[int, typer.Option(min=1, help="Steps before the measured ones.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Measured steps.")] = 10,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="After so many nothing new is begun.")
    ] = 30.0,
    attention: Annotated[
        Literal["auto", "segments", "flex", "varlen"],
        typer.Option("--attention", help="As training.attention."),
    ] = "auto",
    kernels: Annotated[
        Literal["auto", "torch", "liger"],
        typer.Option("--kernels", help="As training.kernels; exact others are measured after it."),
    ] = "auto",
    device: Annotated[
        Literal["cuda", "cpu"], typer.Option("--device", metavar="cuda|cpu", help="Where.")
    ] = "cuda",
    only: Annotated[
        str | None,
        typer.Option("--only", help="Parts: ours, released, trl, whole, answers, rest."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="By default one in results/perf named by device."
        ),
    ] = None,
) -> None:
    """Measure the steps of all methods and the answers on this machine's GPU.

    Nothing is downloaded: the weights are random. Whether every kernel computes the same is checked
    first, and nothing is measured where one does not.
    """
    if layers != "all" and not layers.isdecimal():
        raise typer.BadParameter(f"{layers!r}: a number, or all.", param_hint="--layers")
    counts = [part.strip() for part in pairs.split(",")]
    if not all(part.isdecimal() and int(part) for part in counts):
        raise typer.BadParameter(f"{pairs!r}: write numbers as in 1,2,4.", param_hint="--pairs")
    from harness.gpu_check.device import found_device

    where = found_device(device)
    from harness.gpu_check.run import PARTS, Wanted, run
    from harness.gpu_check.steps.ours import Amounts

    amounts = Amounts(tuple(dict.fromkeys(int(part) for part in counts)), warmup, steps)
    parts = tuple(part.strip() for part in only.split(",")) if only else PARTS
    wanted = Wanted(amounts, minutes, attention, kernels, parts, file)
    run(size, None if layers == "all" else int(layers), where, wanted)
