"""What a table is called besides its size: how its numbers differ from the preset's setting."""

import re
from collections.abc import Sequence
from typing import Any

from harness.files.digests import text_digest
from harness.identity.run import Run
from harness.settings.resolve import resolve

_KEYS = ("protocol", "judge", "judge_runs", "judge_profile", "benchmarks", "max_new_tokens", "data")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,24}")
_DIGITS = 6


def suffix_of(runs: Sequence[Run]) -> str:
    """Return such as `-protocol-greedy`, empty where runs are evaluated as their preset says.

    So that a table of one judge, protocol, list of benchmarks, base model or choice of worlds never
    takes the place of another's.

    Args:
        runs: Those of one call, which differ in method, world and seed alone.
    """
    run, spec = runs[0], runs[0].spec
    preset = resolve(spec.method, spec.size, spec.variant).spec
    parts = [
        f"{key}-{_slug(getattr(spec.evaluation, key))}"
        for key in _KEYS
        if getattr(spec.evaluation, key) != getattr(preset.evaluation, key)
    ]
    if (spec.model.path, spec.model.revision) != (preset.model.path, preset.model.revision):
        parts.append(f"model-{run.base_content[:_DIGITS]}")
    worlds = sorted({one.spec.world for one in runs})
    if worlds != [0]:
        parts.append(f"worlds-{'-'.join(map(str, worlds))}")
    return "".join(f"-{part}" for part in parts)


def _slug(value: Any) -> str:
    """Return a value as a part of a file name; of a long or odd one a hash."""
    text = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if _PLAIN.fullmatch(text) else text_digest(text, digits=_DIGITS)
