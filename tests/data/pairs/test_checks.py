"""Bad rows are counted, listed and left out; the rows that are meant are selected and counted."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data.pairs.checks import check_pairs
from harness.data.pairs.opening import open_preferences, selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import DataError, MissingColumn
from harness.settings.spec import DataSpec, HardnessSpec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def spec(source: Path, **values) -> DataSpec:
    return DataSpec(preferences=str(source), hardness=HardnessSpec(clip="x"), **values)


def lines(folder: Path, rows) -> Path:
    """JSONL with every image in a file of its own."""
    folder.mkdir(exist_ok=True)
    plain = []
    for row in rows:
        values = dict(row)
        image = values.pop("image", None)
        if image:
            (folder / values["image_path"]).write_bytes(image["bytes"])
        plain.append(values)
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in plain))
    return file


def reasons(pairs: Preferences, **options) -> dict[int, str]:
    return {row.row: row.reason for row in check_pairs(pairs, **options).bad_rows()}


def test_the_form_of_every_row_is_checked(rows, tmp_path):
    rows[1]["chosen"] = 7
    del rows[2]["rejected"]
    rows[3]["question"] = None
    rows[4]["chosen_logits"] = "[0.1, "
    for row in rows:
        row.setdefault("chosen_logits", "[0.5]")
        row["rejected_logits"] = "[0.25]"
        del row["clip_gap"]
    file = lines(tmp_path / "data", rows)
    file.write_text(file.read_text() + '{"cut off\n["list"]\n')
    found = reasons(Preferences(file))
    assert found[1] == "chosen is int, not text"
    assert found[2] == "no rejected"
    assert found[3] == "no question"
    assert found[4].startswith("chosen_logits: invalid JSON")
    assert found[6].startswith("invalid JSON")
    assert found[7] == "list instead of an object with fields"
    assert 0 not in found
    assert 5 not in found


def test_text_of_rlhf_v_must_be_an_object(rows, write):
    for row in rows:
        texts = {name: row.pop(name) for name in ("question", "chosen", "rejected")}
        row["text"] = json.dumps(texts)
    rows[1]["text"] = "{"
    rows[2]["text"] = "[1]"
    rows[3]["text"] = None
    found = reasons(Preferences(write(rows)))
    assert sorted(found) == [1, 2, 3]
    assert found[1].startswith("text: invalid JSON")
    assert found[2].startswith("text: JSON, but no object")
    assert found[3] == "no text"


def test_images_outside_the_folder_are_refused(rows, tmp_path):
    """By `..`, by an absolute path and by a link; a missing file is told as missing."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(rows[0]["image"]["bytes"])
    file = lines(tmp_path / "data", rows)
    values = [json.loads(line) for line in file.read_text().splitlines()]
    (file.parent / "link.png").symlink_to(secret)
    for row, path in zip(
        values, ("../secret.png", str(secret), "link.png", "no.png", "a\0b"), strict=False
    ):
        row["image_path"] = path
    file.write_text("".join(json.dumps(row) + "\n" for row in values))
    found = reasons(Preferences(file))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert all("leads out of the folder" in found[row] for row in (0, 1, 2))
    assert found[3] == "unreadable image: no image file 'no.png'"


def test_a_linked_images_folder_is_where_images_are(rows, tmp_path):
    """A user's own link beside the data is no escape: the authors keep images elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    file = lines(elsewhere, rows)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(elsewhere)
    file.rename(tmp_path / "data" / "pairs.jsonl")
    assert reasons(Preferences(tmp_path / "data")) == {}


def test_an_image_of_too_many_pixels_is_refused(rows, write, monkeypatch):
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    found = reasons(Preferences(write(rows)))
    assert len(found) == 6
    assert "decompression bomb" in found[0]


def test_numbers_that_a_method_needs_must_be_finite(rows, write):
    for row, value in zip(rows, (1.0, float("nan"), float("inf"), None, -2.0, 0.0), strict=True):
        row["clip_gap"] = value
    pairs = Preferences(write(rows))
    assert reasons(pairs) == {}
    found = reasons(pairs, columns=frozenset({"clip_gap", "not there"}))
    assert found == dict.fromkeys([1, 2, 3], "clip_gap is no finite number")


def test_a_pair_that_stands_there_twice_is_told_and_a_shared_id_is_counted(rows, write):
    rows[3] = dict(rows[1])
    rows[4]["idx"] = rows[0]["idx"]
    pairs = Preferences(write(rows))
    report = check_pairs(pairs)
    assert {r.row: r.reason for r in report.bad_rows()} == {3: "repeats train-0.parquet row 1"}
    assert report.summary()["pair_ids_of_several_pairs"] == 1


def test_bad_rows_are_left_out_up_to_the_limit(rows, write, tmp_path):
    rows[1]["chosen"] = rows[1]["rejected"]
    rows[4]["rejected"] = ""
    file = write(rows)
    pairs = open_preferences(spec(file, max_bad_rows=2), report=tmp_path / "run")
    assert [(pair.row, pair.pair_id) for pair in pairs] == [(0, "0"), (1, "2"), (2, "3"), (3, "5")]
    assert pairs.column("idx") == ["0", "2", "3", "5"]
    assert pairs.place(3) == ("train-0.parquet", 5)
    assert pairs.digest != Preferences(file).digest
    listed = [json.loads(line) for line in (tmp_path / "run" / "bad-rows.jsonl").open()]
    assert [(row["file_row"], row["pair_id"], row["reason"]) for row in listed] == [
        (1, "1", "chosen equals rejected"),
        (4, "4", "empty rejected"),
    ]
    summary = json.loads((tmp_path / "run" / "bad-rows-summary.json").read_text())
    assert (summary["pairs"], summary["bad"]) == (6, 2)


def test_more_bad_rows_than_the_limit_stop_the_run_and_say_where(rows, write, tmp_path):
    many = [{**rows[i % 6], "idx": str(i), "chosen": " "} for i in range(25)]
    with pytest.raises(DataError) as error:
        open_preferences(spec(write(many), max_bad_rows=24), report=tmp_path / "run")
    message = str(error.value)
    assert "25 of 25 rows cannot be used, and 24 may be left out" in message
    assert str(tmp_path / "run" / "bad-rows.jsonl") in message
    assert "row 19: empty chosen (pair '19')" in message
    assert "row 20" not in message
    assert "and 5 more" in message


def test_a_check_is_done_once_and_seen_by_all(rows, write, monkeypatch):
    rows[1]["chosen"] = ""
    file = write(rows)
    first = open_preferences(spec(file, max_bad_rows=1))
    monkeypatch.setattr("harness.data.pairs.preferences.open_image", lambda image: 1 / 0)
    again = open_preferences(spec(file, max_bad_rows=1))
    assert again.digest == first.digest
    assert again.column("idx") == first.column("idx") == ["0", "2", "3", "4", "5"]


def test_when_all_rows_are_bad_nothing_is_left(rows, write):
    file = write([row | {"chosen": ""} for row in rows])
    with pytest.raises(DataError, match="all 6 rows cannot be used, so that nothing is left"):
        open_preferences(spec(file, max_bad_rows=6))


def test_a_link_is_judged_anew_when_a_copy_takes_its_place(rows, tmp_path):
    """And the other way round; the contents, and with them the digest, stay."""
    file = lines(tmp_path / "data", rows)
    image, elsewhere = file.parent / rows[0]["image_path"], tmp_path / "elsewhere.png"
    good = Preferences(file).digest
    image.rename(elsewhere)
    for _ in range(2):
        image.symlink_to(elsewhere)
        pairs = Preferences(file)
        assert pairs.digest == good
        assert list(reasons(pairs)) == [0]
        image.unlink()
        image.write_bytes(elsewhere.read_bytes())
        pairs = Preferences(file)
        assert pairs.digest == good
        assert reasons(pairs) == {}
        image.unlink()


def test_the_same_data_at_another_place_are_not_checked_anew(rows, tmp_path, monkeypatch):
    """The report names the files as they are called there."""
    rows[3] = rows[1] | {"image_path": rows[3]["image_path"]}
    file = lines(tmp_path / "data", rows)
    (first,) = check_pairs(Preferences(file)).bad_rows()
    assert str(first) == "pairs.jsonl row 3: repeats pairs.jsonl row 1 (pair '1')"
    shutil.copytree(file.parent, tmp_path / "copy")
    (tmp_path / "copy" / "pairs.jsonl").rename(tmp_path / "copy" / "other.jsonl")
    monkeypatch.setattr("harness.data.pairs.preferences.open_image", lambda image: 1 / 0)
    copied = check_pairs(Preferences(tmp_path / "copy"))
    assert [str(row) for row in copied.bad_rows()] == [
        "other.jsonl row 3: repeats other.jsonl row 1 (pair '1')"
    ]
    assert copied.summary()["source"] == str(tmp_path / "copy")


def split(**fields: str) -> str:
    return json.dumps(fields)


def test_rows_are_selected_by_origin_split_and_counted(rows, write):
    for row, model in zip(rows, ("a", "b", "a", "c", "a", "b"), strict=True):
        row["origin_split"] = split(model=model, type="detail")
    rows[4]["origin_split"] = split(model="a", type="other")
    file = write(rows)
    wanted = {"model": "a", "type": "detail"}
    pairs = selected_pairs(spec(file, where=wanted, expected_pairs=2))
    assert [(pair.row, pair.pair_id) for pair in pairs] == [(0, "0"), (1, "2")]
    assert "2 of 6 rows have origin_split model='a', type='detail'" in pairs.selection.said
    assert pairs.digest not in {
        Preferences(file).digest,
        Preferences(file, where={"model": "a"}).digest,
    }
    with pytest.raises(DataError) as error:
        selected_pairs(spec(file, where={"model": "b"}, expected_pairs=22_000))
    message = str(error.value)
    assert "2 rows instead of the 22,000 that data.expected_pairs says" in message
    assert "'a' (3), 'b' (2), 'c' (1)" in message
    with pytest.raises(DataError, match=r"0 of 6 rows have origin_split model='z'.*'a' \(3\)"):
        Preferences(file, where={"model": "z"})


def test_a_pattern_takes_any_text_and_ignores_letter_case_and_a_plain_value_does_not(rows, write):
    models = (
        "LLaVA-1.5-7B",
        "OmniLMM-12B",
        "llava15_7b",
        "MiniCPM-Llama3-V",
        "my-llava\n",
        "LLaMA",
    )
    for row, model in zip(rows, models, strict=True):
        row["origin_split"] = split(model=model)
    file = write(rows)

    def selected(value: str) -> list[int]:
        return list(Preferences(file, where={"model": value}).selection.rows)

    assert selected("*llava*") == [0, 2, 4]
    assert selected("LLAVA*7b") == [0, 2]
    assert selected("*-*l*v*") == [3, 4]
    assert selected("*") == [0, 1, 2, 3, 4, 5]
    assert selected("llava15_7b") == [2]
    for nothing in ("LLaVA15_7b", "llava", "*.*llava*", "llava?5_7b*"):
        with pytest.raises(DataError, match="0 of 6 rows"):
            selected(nothing)


def test_a_pattern_and_the_value_that_it_finds_are_the_same_data(rows, write):
    for row, model in zip(rows, ("a-7b", "b", "A-7B", "c", "a-7b", "b"), strict=True):
        row["origin_split"] = split(model=model, type="x" if model == "A-7B" else "y")
    file = write(rows)

    def digest(**where: str) -> str:
        return Preferences(file, where=where).digest

    assert digest(model="a*", type="y") == digest(model="A-7*", type="Y*")
    assert digest(model="a*", type="y") == digest(model="a-7b", type="y")
    assert digest(model="a*") != digest(model="a-7b")
    assert digest(model="*") not in {digest(model="b"), Preferences(file).digest}


@pytest.mark.parametrize(
    ("expected", "fits"),
    [("1-2", False), ("1-3", True), ("3-3", True), ("3-9", True), ("4-9", False), (3, True)],
)
def test_a_range_of_expected_pairs_includes_both_ends(rows, write, expected, fits):
    for row, model in zip(rows, ("a", "b", "a", "c", "a", "b"), strict=True):
        row["origin_split"] = split(model=model)
    wanted = spec(write(rows), where={"model": "A*"}, expected_pairs=expected)
    if fits:
        assert len(selected_pairs(wanted)) == 3
        return
    with pytest.raises(DataError) as error:
        selected_pairs(wanted)
    least, _, most = expected.partition("-")
    assert f"3 rows instead of the {least} to {most} that" in str(error.value)
    assert "values of model are 'a' (3), 'b' (2), 'c' (1)" in str(error.value)


@pytest.mark.parametrize("wrong", ["5-3", "0-0", "3-", "-3", "3 - 5", "20,000-24,000", "many", 0])
def test_what_is_no_range_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected_pairs"):
        spec(tmp_path, expected_pairs=wrong)


def test_a_name_that_no_row_has_is_answered_with_those_that_occur(rows, write):
    for row, model in zip(rows, ("a", "b", "a", "c", "a", "b"), strict=True):
        row["origin_split"] = split(generator=model)
    with pytest.raises(DataError) as error:
        Preferences(write(rows), where={"model": "*llava*"})
    assert "No row has a name 'model' there: values of generator are 'a' (3), 'b' (2)" in str(
        error.value
    )
    assert "or take all rows with --set 'data.where={}'" in str(error.value)


def test_a_column_without_json_is_answered_with_its_texts(rows, write):
    for row in rows:
        row["origin_split"] = "llava"
    with pytest.raises(DataError, match=r"its texts are 'llava' \(6\)"):
        Preferences(write(rows), where={"model": "*llava*"})


def test_selection_needs_the_column(rows, write):
    for row in rows:
        del row["origin_split"]
    with pytest.raises(MissingColumn, match="no column 'origin_split'"):
        Preferences(write(rows), where={"model": "a"})


def test_bad_rows_that_are_not_selected_do_not_count(rows, write):
    rows[1]["chosen"] = ""
    rows[1]["origin_split"] = "no JSON"
    pairs = open_preferences(spec(write(rows), where={"type": "detail"}, expected_pairs=5))
    assert pairs.column("idx") == ["0", "2", "3", "4", "5"]


def test_digest_follows_an_image_file(rows, tmp_path):
    file = lines(tmp_path / "data", rows)
    before = Preferences(file).digest
    assert Preferences(file).digest == before
    (file.parent / rows[0]["image_path"]).write_bytes(b"another")
    assert Preferences(file).digest != before


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 5)), fault=st.sampled_from(["chosen", "rejected", "question"]))
def test_the_bad_and_the_good_rows_are_all_rows(rows, tmp_path_factory, bad, fault):
    import world_fixture

    made = [row | {fault: " "} if i in bad else row for i, row in enumerate(rows)]
    file = world_fixture.write_rows(tmp_path_factory.mktemp("pairs") / "a.parquet", made)
    pairs = Preferences(file)
    found = reasons(pairs)
    assert found == dict.fromkeys(sorted(bad), f"empty {fault}")
    rest = pairs.without(found)
    assert rest.column("idx") == [str(i) for i in range(6) if i not in bad]
