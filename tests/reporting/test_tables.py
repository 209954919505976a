import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.types import Benchmark, Metric, Scorecard
from harness.errors import ConfigError
from harness.reporting.compare import RunResult, compare
from harness.reporting.published import PublishedValue
from harness.reporting.tables import write_tables
from harness.reporting.words import escaped
from harness.reporting.writers.published_table import published_section
from harness.reporting.writers.terminal import rich_table


def nothing(*_arguments):
    raise AssertionError("tables never score")


def benchmark(name, *metrics):
    return Benchmark(
        name=name, samples=4, metrics=metrics, source="made up", annotator=None,
        request=nothing, score=nothing, aggregate=nothing, fallback=None, files=(), read=nothing,
    )  # fmt: skip


HAL = benchmark(
    "object_halbench",
    Metric("response_hallucination", "percent", higher_is_better=False, headline=True),
    Metric("objects", "percent", higher_is_better=True),
)
MMHAL = benchmark("mmhal", Metric("score", "score", higher_is_better=True, headline=True))
BENCHMARKS = (HAL, MMHAL)
METRIC = {"object_halbench": "response_hallucination", "mmhal": "score"}


def card(name, value, careful=None, judge="oracle", data="sha256:dd", unscored=0):
    metric = METRIC[name]
    return Scorecard(
        benchmark=name, protocol="official", judge=judge, data=data,
        official={metric: value}, careful={metric: value if careful is None else careful},
        counts={"samples": 4, "scored": 4 - unscored, "unscored": unscored, "empty": 0},
    )  # fmt: skip


def run(method, seed=0, size="tiny", variant=None, hal=None, mmhal=None):
    cards = {"object_halbench": hal, "mmhal": mmhal}
    cards = {
        name: value if isinstance(value, Scorecard) else card(name, value)
        for name, value in cards.items()
        if value is not None
    }
    label = f"{method} {variant}" if variant else method
    return RunResult(label, method, variant, size, seed, cards, {"code": "abc|def"})


def table_of(markdown):
    """Header and rows of the first table, split into cells."""
    lines = [line for line in markdown.split("\n\n")[1].split("\n")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return [cell.strip() for cell in header], {row[0]: row[1:] for row in rows}


@pytest.fixture
def write(tmp_path):
    def written(runs, size="tiny", **options):
        return write_tables(runs, size, tmp_path, BENCHMARKS, **options)

    return written


def test_mean_and_interval_over_seeds_and_bold_best_by_hand(write):
    """dama: (1 + 2 + 3) / 3 = 2 and 4.30265 * 1 / sqrt(3) = 2.48; base: one seed, no interval."""
    runs = [run("dama", seed, hal=value) for seed, value in enumerate((10.0, 20.0, 30.0))]
    header, rows = table_of(write([*runs, run("base", hal=50.0, mmhal=2.0)]))
    assert header == ["Method", "Seeds", "ObjHal resp. ↓", "MMHal score ↑"]
    assert rows == {
        "base": ["1", "50.0", "2.00"],
        "dama": ["3", "**20.0 ± 24.8**", "—"],
    }


def test_best_follows_the_direction_and_equal_values_share_it(write):
    """2.104 and 2.096 both read 2.10, so neither is better as far as the table can tell."""
    _, rows = table_of(
        write(
            [
                run("base", hal=30.0, mmhal=1.0),
                run("dpo", hal=20.0, mmhal=2.104),
                run("dama", hal=25.0, mmhal=2.096),
            ]
        )
    )
    assert rows["base"] == ["1", "30.0", "1.00"]
    assert rows["dpo"] == ["1", "**20.0**", "**2.10**"]
    assert rows["dama"] == ["1", "25.0", "**2.10**"]


def test_rows_stand_in_the_order_base_dpo_rlhf_v_dama_variant_others(write):
    methods = [("zeta", None), ("dama", "released"), ("dama", None), ("rlhf_v", None)]
    runs = [run(name, variant=variant, hal=1.0) for name, variant in methods]
    _, rows = table_of(write([*runs, run("dpo", hal=2.0), run("base", hal=3.0)]))
    assert list(rows) == ["base", "dpo", "rlhf_v", "dama", "dama released", "zeta"]


def test_two_judges_never_share_a_column(write):
    text = write(
        [
            run("base", mmhal=card("mmhal", 2.0, judge="gpt-4-0613")),
            run("dama", 0, mmhal=card("mmhal", 3.0, judge="gpt-4-0613")),
            run("dama", 1, mmhal=card("mmhal", 5.0, judge="gpt-4o")),
        ]
    )
    header, rows = table_of(text)
    assert header[2:] == ["MMHal score ↑ (a)", "MMHal score ↑ (b)"]
    assert rows["base"][1:] == ["2.00", "—"]
    assert rows["dama"][1:] == ["**3.00 (n=1)**", "5.00 (n=1)"]
    assert "- MMHal (a): judge gpt-4-0613; data `sha256:dd`" in text
    assert "- MMHal (b): judge gpt-4o; data `sha256:dd`" in text


@given(st.lists(st.tuples(st.sampled_from("JK"), st.sampled_from("DE")), min_size=1, max_size=6))
def test_every_cell_averages_scorecards_of_one_judge_and_one_data_version(settings):
    """Scores carry their setting: J, K add 1, 2 and D, E add 10, 20; a mix would be in between."""
    value = {"J": 1.0, "K": 2.0, "D": 10.0, "E": 20.0}
    runs = [
        run("dama", seed, mmhal=card("mmhal", value[j] + value[d], judge=j, data=d))
        for seed, (j, d) in enumerate(settings)
    ]
    comparison = compare(runs, "tiny", BENCHMARKS)
    (row,) = comparison.rows
    assert len(row.cells) == len(comparison.columns) == len(set(settings))
    for column, cell in row.cells.items():
        assert cell.official.mean == value[column.setting.judge] + value[column.setting.data]
        assert cell.official.count == settings.count((column.setting.judge, column.setting.data))


def test_unreadable_replies_are_marked_counted_and_shown_without(write):
    """1 of 4 and 0 of 4 unreadable: official (2 + 4) / 2 = 3, careful (3 + 4) / 2 = 3.5."""
    first = run("dama", 0, mmhal=card("mmhal", 2.0, careful=3.0, unscored=1))
    text = write([first, run("dama", 1, mmhal=4.0)])
    _, rows = table_of(text)
    assert rows["dama"][1] == "3.00 ± 12.71 †"
    assert (
        "- dama, MMHal score ↑: 1 of 8 replies unreadable, 0 answers empty; "
        "3.50 ± 6.35 without the unreadable ones"
    ) in text


def test_two_runs_of_one_label_and_seed_are_refused(write):
    with pytest.raises(ConfigError, match="two runs of 'dama' have seed 0"):
        write([run("dama", hal=1.0), run("dama", hal=2.0)])


def test_runs_of_other_sizes_are_left_out(write):
    _, rows = table_of(write([run("base", hal=1.0), run("dama", size="7b", hal=2.0)]))
    assert list(rows) == ["base"]


def test_tiny_has_no_published_rows_and_says_why(write, tmp_path):
    text = write([run("base", hal=1.0)], published=tmp_path / "none")
    assert "the tiny world has images, questions and a judge of its own" in text


def test_published_numbers_stand_below_by_source_with_standing_and_judge(write):
    text = write([run("base", size="7b", mmhal=2.0)], size="7b")
    published = text.split("## Published numbers")[1]
    assert "### PEA-DPO (arXiv 2608.19598), Table 1 (second hand)" in published
    assert "DAMA (LLaVA-1.5-7B)" in published
    assert "LLaVA-1.5-13B" not in published
    assert "- MMHal: judge gpt-4-1106-preview; data not stated" in published
    assert "- MMHal: judge not stated; data not stated" in published


def test_sources_that_do_not_state_their_judge_share_no_table():
    """Neither names a judge, so nothing says that 2.5 and 3.5 may be compared."""
    values = [published("not stated", 2.5), published("not stated", 3.5, paper="Q")]
    lines = published_section(compare([], "7b", BENCHMARKS, values), BENCHMARKS).split("\n")
    assert [line for line in lines if line.startswith("###")] == [
        "### P, T (verified)",
        "### Q, T (verified)",
    ]


def published(judge, value, paper="P"):
    return PublishedValue(
        benchmark="mmhal", metric="score", model="LLaVA-1.5-7B", method=f"of {judge}", value=value,
        unit="score", paper=paper, table_or_figure="T", judge=judge, data_version="not stated",
        standing="verified", source="S",
    )  # fmt: skip


def test_published_values_of_two_judges_never_share_a_column():
    values = [published("gpt-4-0613", 2.5), published("gpt-4o", 3.5)]
    lines = published_section(compare([], "7b", BENCHMARKS, values), BENCHMARKS).split("\n")
    assert lines[2] == "| Method | MMHal score ↑ (1) | MMHal score ↑ (2) |"
    assert lines[4] == "| of gpt-4-0613 (LLaVA-1.5-7B) | 2.50 | — |"
    assert lines[5] == "| of gpt-4o (LLaVA-1.5-7B) | — | 3.50 |"


def test_csv_holds_every_number_once_with_its_circumstances(write, tmp_path):
    write([run("dama", 3, variant="released", mmhal=card("mmhal", 2.0, careful=3.0, unscored=1))])
    with (tmp_path / "comparison-tiny.csv").open(newline="") as file:
        official, careful = csv.DictReader(file)
    expected = {
        "method": "dama", "variant": "released", "seed": "3", "benchmark": "mmhal",
        "metric": "score", "unit": "score", "judge": "oracle", "data": "sha256:dd", "samples": "4",
        "scored": "3", "unscored": "1", "empty": "0",
    }  # fmt: skip
    for row, kind, value in ((official, "official", "2.0"), (careful, "careful", "3.0")):
        assert {name: row[name] for name in expected} == expected
        assert (row["kind"], row["value"]) == (kind, value)


def test_each_method_gets_its_own_table_with_all_metrics_and_seeds(write, tmp_path):
    write([run("dama", seed, variant="released", hal=10.0 * seed) for seed in (1, 2)])
    text = (tmp_path / "dama-released-tiny.md").read_text()
    assert "| resp. ↓ | 10.0 | 20.0 | 15.0 ± 63.5 | 15.0 ± 63.5 |" in text
    assert "| objects ↑ | — | — | — | — |" in text
    assert "seed 1: 4 samples, 4 scored, 0 unscored, 0 empty" in text
    assert "- seed 2, code: abc\\|def" in text
    assert (tmp_path / "dama-released-tiny.csv").read_text().count("\n") == 5


def test_terminal_table_shows_the_same_cells():
    runs = [run("base", hal=30.0), run("dama", hal=20.0)]
    console = Console(width=100, file=io.StringIO(), force_terminal=False)
    console.print(rich_table(compare(runs, "tiny", BENCHMARKS)))
    shown = console.file.getvalue()
    assert "ObjHal resp. ↓" in shown
    assert "30.0" in shown
    assert "20.0" in shown


def test_a_table_that_is_wider_than_the_window_is_turned_over():
    runs = [run("base", hal=30.0), run("dama", hal=20.0)]
    comparison = compare(runs, "tiny", BENCHMARKS)
    tall, wide = rich_table(comparison, width=20), rich_table(comparison, width=400)
    heads = [[str(column.header) for column in one.columns] for one in (tall, wide)]
    assert heads[0] == ["Metric", "base", "dama"]
    assert heads[1][0] == "Method"
    assert (tall.row_count, wide.row_count) == (len(heads[1]) - 1, 2)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("rlhf_v", "rlhf_v"),
        ("_emphasis_", "\\_emphasis\\_"),
        ("two\nlines", "two lines"),
        ("<b>[x]*`", "\\<b\\>\\[x\\]\\*\\`"),
    ],
)
def test_markdown_marks_are_escaped_and_names_stay_searchable(text, shown):
    assert escaped(text) == shown


VET = benchmark(
    "mm_vet",
    Metric("total", "percent", higher_is_better=True, headline=True),
    Metric("integration/*", "percent", higher_is_better=True),
    Metric("total_std", "points", higher_is_better=False),
)


def test_every_number_of_a_family_reaches_table_and_csv_of_the_method(tmp_path):
    """Seed 1 knows a set of capabilities that seed 0 does not."""

    def judged(**values):
        found = {"total": 50.0, **{f"integration/{name}": one for name, one in values.items()}}
        return Scorecard(
            benchmark="mm_vet", protocol="official", judge="j", data="d", official=found,
            careful=found | {"total_std": 0.5}, counts={"samples": 2, "unscored": 0},
        )  # fmt: skip

    cards = [judged(rec=10.0), judged(rec=20.0, ocr_rec=30.0)]
    runs = [
        RunResult("dama", "dama", None, "tiny", seed, {"mm_vet": card})
        for seed, card in enumerate(cards)
    ]
    text = write_tables(runs, "tiny", tmp_path, [VET])
    assert table_of(text)[0] == ["Method", "Seeds", "MM-Vet total ↑"]
    own = (tmp_path / "dama-tiny.md").read_text()
    names = [line.split(" | ")[0] for line in own.splitlines() if line.startswith("| ")]
    assert names == [
        "| Metric", "| ---", "| total ↑", "| integration/rec ↑", "| integration/ocr rec ↑",
        "| total std ↓",
    ]  # fmt: skip
    assert "| integration/rec ↑ | 10.0 | 20.0 | 15.0 ± 63.5 | 15.0 ± 63.5 |" in own
    rows = list(csv.DictReader((tmp_path / "dama-tiny.csv").read_text().splitlines()))
    found = {(row["seed"], row["metric"]): row["value"] for row in rows if row["kind"] == "careful"}
    assert found["1", "integration/ocr_rec"] == "30.0"
    assert found["0", "total_std"] == "0.5"
    assert ("0", "integration/ocr_rec") not in found


def in_worlds(method, values, size="tiny", **options):
    """One run per world and seed; `values` are a list for each world."""
    return [
        replace(
            run(
                method, seed, hal=card("object_halbench", value, data=f"sha256:{world}"), **options
            ),
            world=world,
        )
        for world, seeds in enumerate(values)
        for seed, value in enumerate(seeds)
    ]


def test_a_row_is_the_mean_of_its_worlds_whose_data_are_all_named(write):
    """dpo: the worlds' means are 20, 30 and 40, so 30 ± 4.30265 * 10 / sqrt(3) = 24.8."""
    runs = [
        *in_worlds("base", [[50.0], [60.0], [70.0]]),
        *in_worlds("dpo", [[19.0, 21.0], [30.0, 30.0], [35.0, 45.0]]),
    ]
    text = write(runs)
    header, rows = table_of(text)
    assert header == ["Method", "Worlds x seeds", "ObjHal resp. ↓"]
    assert rows == {"base": ["3 x 1", "60.0 ± 24.8"], "dpo": ["3 x 2", "**30.0 ± 24.8**"]}
    assert "data `sha256:0 (world 0), sha256:1 (world 1), sha256:2 (world 2)`" in text
    assert "Student's t over these means" in text


def test_differences_are_of_the_same_world_and_seed(write):
    """Against base: -30 in every run. Against dpo: 2, 1 and 3: 2 ± 2.48, not told apart."""
    runs = [
        *in_worlds("base", [[50.0], [60.0], [70.0]]),
        *in_worlds("dpo", [[20.0], [30.0], [40.0]]),
        *in_worlds("dama", [[22.0], [31.0], [43.0]]),
    ]
    section = write(runs).split("## Differences")[1].split("## Provenance")[0]
    against_base, against_dpo = section.split("### Against dpo")
    assert "| dpo | -30.0 ± 0.0 |" in against_base
    assert "| dama | -28.0 ± 2.5 |" in against_base
    assert "| dama | \u2248 +2.0 ± 2.5 |" in against_dpo
    assert "| dpo |" not in against_dpo


def test_differences_over_worlds_are_corrected_for_all_of_the_table(write):
    """Against base -7, -10 and -13: t = 10 / (3 / sqrt(3)), so p = 1 - t / sqrt(2 + t^2) = 0.029.

    Alone it can be told. With a second such row, and the zero between them, Holm's is 0.086.
    """
    base = in_worlds("base", [[50.0], [60.0], [70.0]])
    dpo, dama = (in_worlds(name, [[43.0], [50.0], [57.0]]) for name in ("dpo", "dama"))
    alone = write([*base, *dpo])
    assert "| dpo | -10.0 ± 7.5 |" in alone
    assert "Holm's correction over all 1 differences of this table" in alone
    both = write([*base, *dpo, *dama])
    assert "| dpo | \u2248 -10.0 ± 7.5 |" in both
    assert "| dama | \u2248 -10.0 ± 7.5 |" in both
    assert "over all 3 differences of this table" in both
    assert "0 of 3 can." in both


def test_a_row_of_one_world_is_neither_best_nor_compared_beyond_it(write):
    """dama is in world 0 alone, where it is at 19 against 20; dpo's mean over all is 30."""
    runs = [
        *in_worlds("base", [[50.0], [60.0], [70.0]]),
        *in_worlds("dpo", [[20.0, 22.0], [30.0, 32.0], [40.0, 42.0]]),
        *in_worlds("dama", [[19.0, 23.0]]),
    ]
    text = write(runs)
    _, rows = table_of(text)
    assert rows["dpo"][-1].startswith("**31.0")
    assert rows["dama"] == ["2", "21.0 ± 25.4"]
    assert (
        "Not all rows are over the same worlds (base, dpo: worlds 0, 1, 2; dama: world 0)" in text
    )
    assert "- dama is compared with dpo over seeds 0, 1 alone." in text
    against_base, against_dpo = text.split("## Differences")[1].split("### Against dpo")
    assert "| dama | ≈ -29.0 ± 25.4 |" in against_base
    assert "| dama | ≈ 0.0 ± 12.7 |" in against_dpo


def test_rows_over_the_same_worlds_and_seeds_need_no_word(write):
    text = write([*in_worlds("base", [[50.0], [60.0]]), *in_worlds("dpo", [[20.0], [30.0]])])
    assert "Not all rows" not in text
    assert "alone." not in text


def test_without_a_second_run_there_is_no_difference_to_speak_of(write):
    assert "## Differences" not in write([run("base", hal=5.0), run("dpo", hal=3.0)])


def test_two_runs_of_one_world_and_seed_are_refused():
    runs = in_worlds("dpo", [[1.0], [2.0]])
    with pytest.raises(ConfigError, match="have world 1 seed 0, so their mean would count"):
        compare([*runs, runs[1]], "tiny", BENCHMARKS)
