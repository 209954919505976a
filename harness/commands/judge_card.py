"""`judge-card`: how far a judge is from the published one."""

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options.common import AsJson, commands, examples
from harness.commands.options.from_model import given
from harness.commands.options.judging import JUDGING, JudgeProfile
from harness.llm.messages import ChatSettings

app = commands()


@app.command(
    "judge-card",
    epilog=examples(
        "data fetch judged",
        "judge-card --judge openai:gpt-5-mini",
        "judge-card --judge local:Qwen/Qwen3-8B --benchmarks mm_vet",
        "judge-card --against openai:gpt-5-mini local:Qwen/Qwen3-8B",
    ),
)
@given(judging=JUDGING)
def judge_card(
    judging: ChatSettings,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge", help="openai:MODEL, local:MODEL, or official: the public replies themselves."
        ),
    ] = None,
    judge_profile: JudgeProfile = None,
    against: Annotated[
        tuple[str, str] | None,
        typer.Option("--against", metavar="A B", help="Compare two judges with one another."),
    ] = None,
    benchmarks: Annotated[
        str | None, typer.Option("--benchmarks", metavar="A,B", help="Default: all there are.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--data", help="Folder of the benchmarks' data folders.")
    ] = Path("data/benchmarks"),
    as_json: AsJson = False,
) -> None:
    """Say how far a judge is from the published one, by answers whose official replies are public.

    The card is kept beside the replies; tables that use the judge print its line.
    """
    from harness.errors import ConfigError
    from harness.reporting.judge_card.make import make_card
    from harness.reporting.judge_card.markdown import print_card, write_card
    from harness.reporting.judge_card.public import OFFICIAL, PUBLIC, Asked

    if (judge is None) == (against is None):
        raise ConfigError("name one judge with --judge, or two with --against A B.")
    names = [one.benchmark for one in PUBLIC] if benchmarks is None else benchmarks.split(",")
    sets = [one for one in PUBLIC if one.benchmark in {name.strip() for name in names}]
    if not sets:
        known = ", ".join(dict.fromkeys(one.benchmark for one in PUBLIC))
        raise ConfigError(f"official replies are public for {known}, not for {benchmarks}.")
    first, second = against or (judge or "", OFFICIAL)
    profiles = (judge_profile, None if second == OFFICIAL else judge_profile)
    ours, theirs = (
        Asked(who, profile, folder, judging)
        for who, profile in zip((first, second), profiles, strict=True)
    )
    card = make_card(sets, ours, theirs)
    file = write_card(card)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
    else:
        print_card(card, file)
