"""A table in LaTeX lies the way in which it is narrower, and fits a page."""

import shutil
import subprocess

import pytest

from benchmarks.types import Metric
from harness.reporting.compare import Cell, Column, Comparison, Row, RunResult, Setting
from harness.reporting.statistics import Estimate
from harness.reporting.writers.latex import comparison_latex


def wide(methods, metrics):
    """A comparison of so many rows and columns; every cell has a mean and its interval."""
    setting = Setting("a judge of a long name instead of gpt-4-0314", "sha256:0123456789ab", "own")
    columns = tuple(
        Column("mm_vet", Metric(f"m{number}", "points", True, True), setting)
        for number in range(metrics)
    )
    rows = []
    for number in range(methods):
        runs = tuple(RunResult(f"m{number}", "dpo", None, "tiny", seed, {}) for seed in range(3))
        cell = Cell(Estimate(40.0 + number, 12.3, 3), None, 0, 0, 30)
        rows.append(Row(f"m{number}", runs, dict.fromkeys(columns, cell)))
    return Comparison("tiny", columns, tuple(rows), ())


def table_of(text):
    lines = text.splitlines()
    return lines[lines.index(r"\toprule") + 1 : lines.index(r"\bottomrule")]


def test_few_methods_are_columns():
    text = comparison_latex(wide(methods=2, metrics=5))
    table = table_of(text)
    assert table[:3] == [r" & m0 & m1 \\", r"Seeds & 3 & 3 \\", r"\midrule"]
    assert len(table) == 3 + 5
    assert r"40.0 $\pm$ 12.3 & \textbf{41.0 $\pm$ 12.3} \\" in table[3]
    assert r"\begin{tabular}{lrr}" in text


def test_few_metrics_are_columns():
    text = comparison_latex(wide(methods=3, metrics=2))
    assert table_of(text)[0].startswith("Method & Seeds & ")
    assert r"\begin{tabular}{llrr}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX: apt-get install texlive")
@pytest.mark.parametrize(("methods", "metrics"), [(2, 5), (18, 19)])
def test_a_page_holds_it(tmp_path, methods, metrics):
    (tmp_path / "table.tex").write_text(comparison_latex(wide(methods, metrics)))
    (tmp_path / "page.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}Above it."
        r"\input{table}\end{document}"
    )
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
