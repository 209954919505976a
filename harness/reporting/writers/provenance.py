"""The section below a table that says what made its runs."""

from collections.abc import Sequence

from harness.reporting.compare import RunResult
from harness.reporting.words import escaped
from harness.settings.spec import drawn

_OF_ONE_RUN = ("run", "checkpoint")
"""Facts that no two runs share."""


def provenance_section(runs: Sequence[RunResult]) -> str:
    """Return the section: what runs share once, with their names; then folder and checkpoint."""
    shared: dict[str, list[str]] = {}
    for run in runs:
        facts = "; ".join(
            value for name, value in run.provenance.items() if name not in _OF_ONE_RUN
        )
        shared.setdefault(facts or "not recorded", []).append(_name(run))
    own = [
        f"{_name(run)}: "
        + ", ".join(f"{name} {run.provenance.get(name, 'not recorded')}" for name in _OF_ONE_RUN)
        for run in runs
    ]
    lines = [*(f"{', '.join(names)}: {facts}" for facts, names in shared.items()), *own]
    return "\n".join(["## Provenance", "", *(f"- {escaped(line)}" for line in lines)])


def _name(run: RunResult) -> str:
    """Return label, world and seed; a base model has no seed."""
    if run.method == "base":
        return f"{run.label} world {run.world}" if run.world else run.label
    return f"{run.label} {drawn(*run.draw)}"
