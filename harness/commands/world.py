"""`world`: the tiny worlds."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import commands, examples

app = commands()
world = commands()
app.add_typer(world, name="world", help="Build a tiny world from nothing.")


@world.callback()
def _of_several() -> None:
    """Build a tiny world from nothing."""


@world.command(
    epilog=examples(
        "world build --world 3",
        "world build --world 0 --ship harness/world/shipped",
    )
)
def build(
    number: Annotated[int, typer.Option("--world", min=0, help="Its number: the seed of it all.")],
    ship: Annotated[
        Path | None,
        typer.Option(help="Also write what is trained, with its SHA-256, as packages hold it."),
    ] = None,
) -> None:
    """Train the base model, CLIP and the responses of a world here, and draw the rest.

    About eight minutes on two cores. A world that comes with the package is otherwise taken as it
    was shipped; trained on another processor it is another world. An interrupted build goes on.
    """
    from harness.console import results
    from harness.files.faults import require_folder
    from harness.world.build import ensure_world, trained_digest
    from harness.world.config import WorldConfig
    from harness.world.shipped import ship as ship_to

    if ship is not None:
        require_folder(ship, "--ship")
    config = WorldConfig(seed=number)
    folder = ensure_world(config, anew=True)
    if ship is not None:
        folder = ship_to(folder, number, trained_digest(config), ship)
    results.print(str(folder), markup=False, soft_wrap=True)
