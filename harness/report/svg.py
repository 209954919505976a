"""A small writer of SVG: two kinds of chart, drawn exactly, coloured by the page's classes.

Series `n` has the classes `s0` to `s7` and one of four marks, so that charts can be read in black
and white. Nothing here carries a style, which the page's policy would refuse.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLOURS = 8
WIDTH = 560
_RIGHT, _TOP, _BOTTOM = 20, 10, 42
_LETTER, _LONGEST = 6.6, 36
"""Width of a letter, and letters of a row's name that are shown; the chart's words hold all."""
_ROW = 14
_GAP = 12


@dataclass(frozen=True)
class Dot:
    """A value of one series, with its interval where there is one."""

    series: int
    value: float
    low: float | None = None
    high: float | None = None
    told: str = ""
    """Shown when a pointer rests on it."""


@dataclass(frozen=True)
class DotRow:
    """One line of a chart of dots."""

    label: str
    dots: Sequence[Dot]


@dataclass(frozen=True)
class Line:
    """One series of a chart of lines, with a band around it."""

    series: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class _Axis:
    """Maps values to pixels."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low)
        return _short(self.begin + share * (self.end - self.begin))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers that reach from below `low` to above `high`."""
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(one for one in (1, 2, 5, 10) if one * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def dots(rows: Sequence[DotRow], unit: str, title: str, zero: bool = False) -> Markup:
    """Draw a line for every row with the values of all series beside one another.

    Args:
        rows: From top to bottom.
        unit: Said below the axis.
        title: What the picture shows, for who cannot see it.
        zero: Whether to mark zero, which is then in the picture.
    """
    values = [*_values(rows), *([0.0] if zero else [])]
    marks = ticks(min(values), max(values))
    heights = [max(1, len(row.dots)) * _ROW + _GAP for row in rows]
    bottom = _TOP + sum(heights)
    names = [_cut(row.label) for row in rows]
    left = round(max(map(len, names)) * _LETTER) + 16
    x = _Axis(marks[0], marks[-1], left, WIDTH - _RIGHT)
    parts = [*_x_axis(x, marks, bottom, unit)]
    if zero:
        parts.append(f'<path class="zero" d="M{x(0)} {_TOP}V{bottom}"/>')
    top = _TOP
    for row, name, height in zip(rows, names, heights, strict=True):
        y = _short(top + height / 2 + 4)
        parts.append(f'<text class="name" x="{left - 8}" y="{y}">{escape(name)}</text>')
        for place, dot in enumerate(row.dots):
            parts.append(_dot(dot, x, top + _GAP / 2 + (place + 0.5) * _ROW))
        top += height
        parts.append(f'<path class="rule" d="M{left} {top}H{WIDTH - _RIGHT}"/>')
    return _svg(WIDTH, bottom + _BOTTOM, title, parts)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _values(rows: Sequence[DotRow]) -> list[float]:
    ends = ((dot.value, dot.low, dot.high) for row in rows for dot in row.dots)
    return [one for three in ends for one in three if one is not None]


def _dot(dot: Dot, x: _Axis, y: float) -> str:
    name = f"s{dot.series % COLOURS}"
    interval = ""
    if dot.low is not None and dot.high is not None:
        interval = f'<path class="line {name}" d="M{x(dot.low)} {_short(y)}H{x(dot.high)}"/>'
    told = f"<title>{escape(dot.told)}</title>"
    return f"<g>{told}{interval}{mark(dot.series, float(x(dot.value)), y)}</g>"


def mark(series: int, x: float, y: float) -> str:
    """Return the mark of a series: disc, square, diamond or triangle."""
    path = (
        f"M{_short(x - 4)} {_short(y)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        f"M{_short(x - 3.5)} {_short(y - 3.5)}h7v7h-7z",
        f"M{_short(x)} {_short(y - 5)}l5 5l-5 5l-5 -5z",
        f"M{_short(x)} {_short(y - 5)}l4.5 8h-9z",
    )[series % 4]
    return f'<path class="mark s{series % COLOURS}" d="{path}"/>'


def lines(found: Sequence[Line], unit: str, title: str) -> Markup:
    """Draw curves with their bands over one another; `unit` stands below the axis of x."""
    width, height, left = 360, 230, 62
    across = ticks(0, max(one.x[-1] for one in found), most=4)
    up = ticks(
        min(value for one in found for value in one.low),
        max(value for one in found for value in one.high),
        most=5,
    )
    bottom = height - _BOTTOM
    x = _Axis(across[0], across[-1], left, width - _RIGHT)
    y = _Axis(up[0], up[-1], bottom, _TOP)
    parts = [*_x_axis(x, across, bottom, unit)]
    for value in up:
        parts.append(f'<path class="rule" d="M{left} {y(value)}H{width - _RIGHT}"/>')
        parts.append(
            f'<text class="name" x="{left - 6}" y="{_short(float(y(value)) + 4)}">'
            f"{_number(value)}</text>"
        )
    for one in found:
        name = f"s{one.series % COLOURS}"
        if one.low != one.high:
            there = _points(x, y, one.x, one.high)
            back = _points(x, y, one.x[::-1], one.low[::-1])
            parts.append(f'<path class="band {name}" d="M{there}L{back}z"/>')
        drawn = _points(x, y, one.x, one.y)
        parts.append(f'<path class="curve {name} d{one.series % 4}" d="M{drawn}"/>')
    return _svg(width, height, title, parts)


def _points(x: _Axis, y: _Axis, across: Sequence[float], up: Sequence[float]) -> str:
    return "L".join(f"{x(one)} {y(other)}" for one, other in zip(across, up, strict=True))


def _x_axis(x: _Axis, marks: Sequence[float], bottom: float, unit: str) -> Iterator[str]:
    for value in marks:
        yield f'<path class="rule" d="M{x(value)} {_TOP}V{bottom}"/>'
        yield f'<text class="tick" x="{x(value)}" y="{bottom + 16}">{_number(value)}</text>'
    middle = _short((x.begin + x.end) / 2)
    yield f'<text class="unit" x="{middle}" y="{bottom + 34}">{escape(unit)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    told = escape(title)
    # Every text in the parts was escaped above; the rest are numbers and names of classes.
    return Markup(f'{head} aria-label="{told}">{"".join(parts)}</svg>')


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _number(value: float) -> str:
    """Return a tick as people write it."""
    if not round(value, 12):
        return "0"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.4f}".rstrip("0").rstrip(".")
