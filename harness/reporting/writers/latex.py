"""The comparison as LaTeX, for the package booktabs."""

from harness.reporting.alike import unlike
from harness.reporting.compare import Column, Comparison, Row
from harness.reporting.words import MISSING, benchmark_name
from harness.reporting.writers.markdown import cell_text, legend, of_runs, runs_text

_WRITTEN = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "†": r"$^\dagger$"},
    **{"\u2013": "--", MISSING: "---", "…": r"\ldots{}", "-": "{-}", "`": r"\textasciigrave{}"},
    **{"\u03b1": r"$\alpha$", "\u03b2": r"$\beta$", "\u03b3": r"$\gamma$"},
}
"""What stands for a sign that LaTeX reads otherwise, or that its fonts may lack."""


def escaped(text: str) -> str:
    """Return text that LaTeX shows as it is, in one line; what cannot be seen is dropped."""
    one_line = " ".join(text.split())
    return "".join(_WRITTEN.get(sign, sign) for sign in one_line if sign.isprintable())


def comparison_latex(comparison: Comparison) -> str:
    """Return a table to paste, the settings below it; where it is too wide, it is made smaller.

    Methods are rows, as in Markdown, or columns where these are fewer.
    """
    lines, heads, left = _lines(comparison), 1, 2
    if len(comparison.rows) < len(comparison.columns):
        lines, heads, left = [list(line) for line in zip(*lines, strict=True)], 2, 1
        lines[0][0] = ""
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{Comparison, size {escaped(comparison.size)}.}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(lines[0]) - left)}}}",
            r"\toprule",
            *map(_line, lines[:heads]),
            r"\midrule",
            *map(_line, lines[heads:]),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\footnotesize\raggedright",
            *(rf"{escaped(note)}\\" for note in _notes(comparison)),
            r"\end{table}",
            "",
        ]
    )


def _lines(comparison: Comparison) -> list[list[str]]:
    """Return the cells with methods as rows, the head first."""
    head = ["Method", of_runs(comparison), *(column.header for column in comparison.columns)]
    return [[escaped(one) for one in head], *(_cells(comparison, row) for row in comparison.rows)]


def _line(cells: list[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _cells(comparison: Comparison, row: Row) -> list[str]:
    shown = (_cell(comparison, row, column) for column in comparison.columns)
    return [escaped(row.label), escaped(runs_text(row)), *shown]


def _cell(comparison: Comparison, row: Row, column: Column) -> str:
    cell = row.cells.get(column)
    if cell is None:
        return escaped(MISSING)
    text = escaped(cell_text(cell, column.metric.unit, len(row.runs)))
    return rf"\textbf{{{text}}}" if comparison.is_best(row, column) else text


def _notes(comparison: Comparison) -> list[str]:
    return [*legend(comparison), *unlike(comparison), *_settings(comparison)]


def _settings(comparison: Comparison) -> list[str]:
    """Return judge, data and protocol by the mark of the columns."""
    shown = dict.fromkeys((one.benchmark, one.setting, one.mark) for one in comparison.columns)
    return [
        f"{benchmark_name(name)} {mark}".strip()
        + f": judge {setting.judge}; data {setting.data}; protocol {setting.protocol}"
        for name, setting, mark in shown
    ]
