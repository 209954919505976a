"""What papers claim, and what the runs of a report say of it."""

from collections.abc import Iterator
from typing import Any

from harness.errors import HarnessError
from harness.identity.labels import label_of
from harness.report.gather import Gathered
from harness.reporting.claims.runs import Findings, claims_of
from harness.reporting.claims.show import finding_lines
from harness.reporting.claims.verdict import NOT_SUPPORTED, SUPPORTED
from harness.settings.preset_files import read_preset
from harness.settings.request import Request
from harness.settings.resolve import resolve

_MARKS = {SUPPORTED: "good", NOT_SUPPORTED: "bad"}


def verdicts_of(gathered: Gathered) -> Iterator[dict[str, Any]]:
    """Yield, for every method that was run as its preset says, the claims of its paper.

    A preset that cannot be read any more is named among the faults.
    """
    runs = [model.result for model in gathered.models]
    asked = dict.fromkeys(
        (one.method, model.folder)
        for model in gathered.models
        if (one := model.result).method != "base" and one.variant is None
    )
    done: set[str] = set()
    for method, folder in asked:
        if method in done:
            continue
        done.add(method)
        request = Request(method=method, size=gathered.size)
        try:
            if not read_preset(method, gathered.size).claims:
                continue
            if label_of(resolve(method, gathered.size).spec) not in {one.label for one in runs}:
                continue
            found = claims_of(request, folder.read_spec().model.path, runs)
        except HarnessError as error:
            gathered.faults.append(f"The claims of {method} are not judged: {error}")
            continue
        yield _shown(found)


def _shown(found: Findings) -> dict[str, Any]:
    claims = [
        {
            "verdict": judged.verdict,
            "mark": _MARKS.get(judged.verdict, "part"),
            "says": judged.claim.says,
            "source": f"{judged.claim.standing.replace('_', ' ')}: {judged.claim.source}",
            "findings": [" ".join(finding_lines(judged, one)) for one in judged.findings],
        }
        for judged in found.judged
    ]
    return {"title": found.method.label, "claims": claims}
