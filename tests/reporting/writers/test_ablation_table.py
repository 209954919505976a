"""The ablation table: rows in the order asked for, each with what it is made of."""

import csv

from test_tables import BENCHMARKS, run, table_of

from harness.reporting.writers.ablation_table import write_ablation


def placed(label, place, *runs):
    """Runs of one row; `replace` of their label and place."""
    return [
        type(one)(
            label, one.method, one.variant, one.size, one.seed, one.scorecards, {"run": "x"}, place
        )
        for one in runs
    ]


def test_rows_keep_the_order_of_the_table_and_name_their_runs(tmp_path):
    """By method, dama's row would come last; a name never becomes Markdown."""
    runs = [
        *placed("both*", 1, run("dama", 0, hal=10.0), run("dama", 1, hal=20.0)),
        *placed("dpo", 2, run("dpo", 0, hal=12.0)),
        *placed("base", 0, run("base", 0, hal=50.0)),
    ]
    changes = {"dpo": ['method="dpo": said so']}
    write_ablation(runs, "Ablation of dama", tmp_path / "t" / "own.1-tiny", BENCHMARKS, changes)
    text = (tmp_path / "t" / "own.1-tiny.md").read_text("utf-8")
    assert text.startswith("# Ablation of dama, size tiny\n")
    _, rows = table_of(text)
    assert list(rows) == ["base", r"both\*", "dpo"]
    assert rows[r"both\*"][:2] == ["2", "15.0 ± 63.5"]
    assert '### dpo\n\n- method="dpo": said so\n- seed 0, run: x\n' in text
    with (tmp_path / "t" / "own.1-tiny.csv").open(encoding="utf-8") as file:
        assert [line["method"] for line in csv.DictReader(file)] == [
            *["base"] * 2, *["dama"] * 4, *["dpo"] * 2,
        ]  # fmt: skip
