"""The section below a table that says what made its runs."""

from collections.abc import Iterator, Sequence

from harness.reporting.compare import RunResult
from harness.reporting.judge_card.card import lines_of
from harness.reporting.words import escaped
from harness.reporting.writers.records import PROVENANCE
from harness.settings.spec import drawn

_OF_ONE_RUN = ("run", "checkpoint", "training")
"""Facts that no two runs share."""
_OF_ALL = ("run", "checkpoint")
"""Those of them that no run lacks: where one is not recorded, that is said."""


def provenance_section(runs: Sequence[RunResult]) -> str:
    """Return the section: what runs share once, with their names; then folder and checkpoint."""
    shared: dict[str, list[str]] = {}
    for run in runs:
        facts = "; ".join(
            value for name, value in run.provenance.items() if name not in _OF_ONE_RUN
        )
        shared.setdefault(facts or "not recorded", []).append(_name(run))
    own = [f"{_name(run)}: {', '.join(_own(run))}" for run in runs]
    lines = [*(f"{', '.join(names)}: {facts}" for facts, names in shared.items()), *own]
    return "\n".join(["## Provenance", "", *(f"- {escaped(line)}" for line in lines)])


def _own(run: RunResult) -> Iterator[str]:
    for name in _OF_ONE_RUN:
        if name in run.provenance or name in _OF_ALL:
            yield f"{name} {run.provenance.get(name, 'not recorded')}"


def provenance_rows(runs: Sequence[RunResult]) -> list[dict[str, object]]:
    """Return what made every run, and who judged it on which data, for JSON."""
    return [
        {
            "kind": PROVENANCE,
            "label": run.label,
            "method": run.method,
            "size": run.size,
            "seed": run.seed,
            "world": run.world,
            **run.provenance,
            "judged": {
                name: {
                    "judge": card.judge,
                    "judge cards": list(lines_of(name, card.judge)),
                    "protocol": card.protocol,
                    "data": card.data,
                    "counts": {"missing": 0, **card.counts},
                }
                for name, card in run.scorecards.items()
            },
        }
        for run in runs
    ]


def _name(run: RunResult) -> str:
    """Return label, world and seed; a base model has no seed."""
    if run.method == "base":
        return f"{run.label} world {run.world}" if run.world else run.label
    return f"{run.label} {drawn(*run.draw)}"
