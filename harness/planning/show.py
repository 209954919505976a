"""Print what a call of `reproduce` would do and take; within two seconds, so without torch."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.console import messages, print_questions, print_table
from harness.costs.devices import Devices, gpus, names_devices, parse_devices
from harness.errors import ConfigError, PreflightError
from harness.planning import preflight
from harness.planning.plan import Plan
from harness.settings.preset_files import read_preset
from harness.settings.request import Request
from harness.settings.resolve import specs_of
from harness.settings.spec import RunSpec
from harness.settings.written import written_config
from harness.world.places import are_built, locate_spec

if TYPE_CHECKING:
    from harness.settings.ablation import AblationRow

PUBLISHED_KIND = "A100-80GB"
"""What DAMA's authors trained on, four of them."""


def print_plan(
    request: Request, devices: str | None = None, *, ask: bool = False, here: bool = False
) -> None:
    """Print the plan of a request, then what stands in its way.

    Args:
        request: What to plan.
        ask: Whether to ask the judge one question per benchmark, which may cost something.
        devices: As `4xA100-80GB`, to plan for a machine that is not this one; what is missing here
            is then told and no error. Without it a size that needs GPUs is planned for the
            published ones where this machine has none.
        here: Whether it is this machine that will run it, whatever it has.

    Raises:
        PreflightError: The run could not start, here or on the devices that are named.
    """
    named = parse_devices(devices) if devices and names_devices(devices) else None
    if devices:
        count = named.count if named else int(devices)
        request = request.model_copy(update={"devices": count})
    specs, quick = _specs(request)
    if devices is None and not here and _needs_gpus(request):
        named = Devices(specs[0].training.devices, parse_devices(PUBLISHED_KIND).kind)
        messages.print(f"no GPU here: planned for {named}, as published; --devices names others")
    plan = preflight.look(
        specs,
        request.out,
        request.judging,
        one_machine=request.launcher == "local",
        devices=named,
        ask_method=not quick,
    )
    _show(plan, request, named)
    if ask:
        _ask_judge(specs[0], request)
    stops = plan.problems if named else (*plan.problems, *plan.missing)
    if stops:
        raise PreflightError(preflight.cannot_start(specs, stops))


def _needs_gpus(request: Request) -> bool:
    return request.size != "tiny" and request.launcher == "local" and not gpus()


def _ask_judge(spec: RunSpec, request: Request) -> None:
    from harness.evaluation.judging.ask_first import ask_first

    if not are_built([spec]):
        raise ConfigError(
            "the tiny world is not built, so there is no question to ask the judge. `reproduce` "
            "builds it and asks before it trains."
        )
    ask_first(locate_spec(spec).evaluation, request.judging)


def _show(plan: Plan, request: Request, named: Devices | None) -> None:
    print_table("plan", ("what", "value"), plan.rows())
    if plan.costs:
        title = f"memory of one device of {plan.costs.devices}"
        print_table(title, ("part", "size"), plan.costs.memory_rows())
    if plan.missing and named:
        rows = [[text] for text in plan.missing]
        print_table("before it starts on this machine", ("missing here",), rows)
    print_questions(read_preset(request.method, request.size).open_questions)


def _specs(request: Request) -> tuple[list[RunSpec], bool]:
    """Return the runs, and whether they were resolved without importing their method."""
    if request.ablate:
        from harness.settings.ablation import ablation_rows

        rows = ablation_rows(request)
        _print_rows(rows)
        return [spec for row in rows for spec in row.specs], False
    config = written_config(request.method, request.size, request.variant, request.overrides)
    return specs_of(request, config=config), config is not None


def _print_rows(rows: Sequence["AblationRow"]) -> None:
    lines = [
        (
            row.label,
            ", ".join(f"{key}={json.dumps(origin.value)}" for key, origin in row.changes)
            or "nothing",
            ", ".join(f"{spec.label} {spec.drawn}" for spec in row.specs),
        )
        for row in rows
    ]
    print_table("ablation", ("row", "changes", "runs"), lines)
