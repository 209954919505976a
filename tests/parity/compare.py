"""Numbers of a recorded case beside our own: what is equal, what differs, what nobody compared."""

import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple

_FLOAT32, _FLOAT64 = 1e-5, 1e-8
"""Least tolerances. Logged float32 margins are differences of sums over hundreds of tokens; of
float64 some records keep nine digits."""


class Between(NamedTuple):
    """A number of which rounding decides where it lies between two others."""

    low: float
    high: float


@dataclass(frozen=True)
class Tolerance:
    """Largest error of what was recorded in a precision, relative to 1 + |value|.

    Ours is always computed in float64, as the numbers were that the stated errors are against.
    """

    float32: float
    float64: float

    @classmethod
    def of(cls, golden):
        """Read what a file states, with two digits, of its largest errors."""
        said = golden.get("verification", "")
        single, double = (
            float(found[1]) if (found := re.search(rf"{kind} ([\d.]+e[-+]\d+)", said)) else None
            for kind in ("float32", "float64")
        )
        stated = re.search(
            r"tolerance ([\d.e-]+)", golden.get("fields", {}).get("official_float64", "")
        )
        if stated:
            double = float(stated[1])
        if double == 0:  # no float64 number was recorded that float32 had not rounded
            double = 1e-6
        return cls(
            float32=max(1.05 * (single or 0), _FLOAT32),
            float64=max(double or 0, _FLOAT64),
        )


@dataclass
class Verdict:
    """What the comparison of one case found."""

    differences: list[str] = field(default_factory=list)
    compared: int = 0
    unread: set[str] = field(default_factory=set)

    def add(self, expected, found, tolerance, name=""):
        """Hold a recorded tree of numbers against ours.

        Where ours has a value per token and the record one for all of them, each must equal it.
        """
        if isinstance(expected, dict):
            for key, value in expected.items():
                if key in found:
                    self.add(value, found[key], tolerance, f"{name}.{key}".strip("."))
                else:
                    self.unread.add(re.sub(r"\d+", "N", f"{name}.{key}".strip(".")))
        elif isinstance(expected, list) and isinstance(found, list):
            if len(expected) != len(found):
                self._differ(name, f"{len(expected)} values", f"{len(found)}")
            for i, (value, own) in enumerate(zip(expected, found, strict=False)):
                self.add(value, own, tolerance, f"{name}[{i}]")
        elif isinstance(found, list):
            for i, own in enumerate(found):
                self.add(expected, own, tolerance, f"{name}[{i}]")
        else:
            self.compared += 1
            if not _near(float(expected), found, tolerance):
                self._differ(name, expected, found)

    def _differ(self, name, expected, found):
        self.differences.append(f"{name}: recorded {expected}, ours {found}")


def _near(expected, found, tolerance):
    if isinstance(found, Between):
        return found.low - tolerance <= expected <= found.high + tolerance
    if not math.isfinite(expected):
        return expected == found or (math.isnan(expected) and math.isnan(found))
    return abs(expected - found) <= tolerance * (1 + abs(expected))
