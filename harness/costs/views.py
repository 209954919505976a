"""What the views of a method add to a step."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.costs.load import Load
from harness.registry import load_method
from harness.settings.spec import RunSpec
from methods.catalog import BUILTIN, VIEWED

if TYPE_CHECKING:
    from methods.views import View

_OWN = "own"
_OF_DATA = (_OWN, "other")


def with_views(load: Load, spec: RunSpec) -> Load:
    """Return the load of the same pairs with the views that the method of a run reads."""
    if spec.method in BUILTIN and spec.method not in VIEWED:
        return load  # without torch
    from methods.views import reads_divergence, views_of

    method = load_method(spec.method)
    views = views_of(method, method.config.model_validate(spec.config))
    divergence = reads_divergence(method)
    anew = [view for view in views if view.reference and view.draw != "once"]
    live = _pictures(views, 2) if divergence else _pictures(anew, 0)
    return replace(load, branches=_pictures(views, 2), live=live)


def _pictures(views: "Iterable[View]", own: int) -> tuple[int, ...]:
    """Count the responses on each picture, of which the pair's own holds some already.

    What an operation makes of a picture stands for itself; the other pair of a view is one.
    """
    found = Counter({_OWN: own})
    for view in views:
        found[view.image if view.image in _OF_DATA else f"drawn {view.name}"] += 1
    return tuple(count for count in found.values() if count)
