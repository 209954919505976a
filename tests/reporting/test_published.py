import csv

import pytest

from harness.errors import DataError
from harness.registry import benchmark_names, load_benchmark
from harness.reporting.published import FOLDER, PublishedValue, read_published

ROW = {
    "benchmark": "amber", "metric": "chair", "model": "LLaVA-1.5-7B", "method": "base",
    "value": "7.8", "unit": "percent", "paper": "AMBER", "table_or_figure": "Table 1",
    "judge": "none", "data_version": "not stated", "standing": "verified", "source": "result.jpg",
}  # fmt: skip


def write(folder, *rows, name="amber"):
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_a_row_is_read_as_it_stands(tmp_path):
    (value,) = read_published(write(tmp_path, ROW))
    assert value == PublishedValue.model_validate(ROW | {"value": 7.8})


@pytest.mark.parametrize("field", ["judge", "source", "value", "standing", "paper"])
def test_a_row_without_judge_or_source_is_refused_with_its_line(tmp_path, field):
    second = ROW | {"metric": "hal"}
    with pytest.raises(DataError, match=rf"amber\.csv:3: {field}"):
        read_published(write(tmp_path, ROW, second | {field: "  "}))


def test_a_missing_column_is_refused(tmp_path):
    with pytest.raises(DataError, match="judge: Field required"):
        read_published(
            write(tmp_path, {key: value for key, value in ROW.items() if key != "judge"})
        )


def test_the_same_value_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="stands twice"):
        read_published(write(tmp_path, ROW, ROW | {"value": "7.9"}))


def test_a_row_in_the_file_of_another_benchmark_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"move the row to amber\.csv"):
        read_published(write(tmp_path, ROW, name="mmhal"))


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no folder of published numbers"):
        read_published(tmp_path / "none")


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("LLaVA-1.5-7B", {"7b"}),
        ("LLaVA-1.5-13B", {"13b"}),
        ("Muffin-13B", {"13b"}),
        ("GPT-4V", {"7b", "13b"}),
        ("LLaVA-1.5", {"7b", "13b"}),
    ],
)
def test_a_value_stands_beside_runs_of_its_size(model, sizes):
    value = PublishedValue.model_validate(ROW | {"model": model})
    assert {size for size in ("tiny", "7b", "13b") if value.belongs_to(size)} == sizes


def test_committed_values_name_metrics_and_units_of_the_benchmarks():
    values = read_published(FOLDER)
    assert {value.benchmark for value in values} <= set(benchmark_names())
    units = {
        (name, metric.name): metric.unit
        for name in benchmark_names()
        for metric in load_benchmark(name).metrics
    }
    for value in values:
        assert units[value.benchmark, value.metric] == value.unit, value


def test_committed_values_hold_the_known_rows_of_dama():
    """DAMA-7B as evaluated by PEA-DPO, and 10.0 / 4.7 as inferred from DAMA's abstract."""
    dama = [value for value in read_published(FOLDER) if value.method == "DAMA"]
    by_place = {(value.paper[:7], value.model, value.metric): value for value in dama}
    assert by_place["PEA-DPO", "LLaVA-1.5-7B", "response_hallucination"].value == 10.3
    assert by_place["PEA-DPO", "LLaVA-1.5-13B", "mention_hallucination"].value == 4.9
    inferred = by_place["DAMA (a", "LLaVA-1.5-7B", "response_hallucination"]
    assert (inferred.value, inferred.standing) == (10.0, "unverified")


def test_dpo_on_dama_s_own_pairs_stands_beside_dama_with_who_says_so():
    """RLAIF-V's issues 30 (by DAMA's first author), 28 and 15."""
    found = {
        (value.method, value.paper): (value.value, value.standing, value.source)
        for value in read_published(FOLDER)
        if value.paper.startswith("RLAIF-V issue") and value.metric == "response_hallucination"
    }
    values = {place: value for place, (value, _, _) in found.items()}
    assert values == {
        ("DPO, all weights", "RLAIF-V issue 30"): 19.13,
        ("DPO, LoRA", "RLAIF-V issue 30"): 10.07,
        ("DPO", "RLAIF-V issue 28"): 24.13,
        ("RLAIF-V", "RLAIF-V issue 15"): 9.6,
    }
    assert {standing for _, standing, _ in found.values()} == {"second_hand"}
    assert "near to DAMA's 10.0 / 4.7" in found["DPO, LoRA", "RLAIF-V issue 30"][2]


def test_mdpo_s_own_table_is_told_apart_from_later_copies_of_it():
    """Later tables print a Cover of 55.5 for DPO, mDPO's own 55.1."""
    own = {
        (value.method, value.metric): value.value
        for value in read_published(FOLDER)
        if value.paper.startswith("mDPO (arXiv") and value.benchmark == "amber"
    }
    assert own["DPO", "cover"] == 55.1
    assert own["mDPO", "chair"] == 4.4
    assert own["base", "hal"] == 34.7
