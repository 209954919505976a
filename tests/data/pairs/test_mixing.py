"""Several sources with caps, weights and seeds: reproducible, named by contents, counted."""

import json
from pathlib import Path

import pytest

from harness.data.pairs.checks import check_pairs
from harness.data.pairs.preferences import Preferences
from harness.errors import ConfigError
from harness.settings.mixing import MixedSource, places_of, sources_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write(rows, tmp_path):
    """Write a JSONL file of so many pairs, whose questions begin with a word."""

    def lines(name: str, count: int, word: str, **more) -> Path:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "a.png").write_bytes(rows[0]["image"]["bytes"])
        file = tmp_path / name / "pairs.jsonl"
        made = [
            {"question": f"{word} {i}?", "chosen": f"{i} dogs.", "rejected": "None."}
            | {"image": "a.png"}
            | more
            for i in range(count)
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in made))
        return file

    return lines


def questions(pairs: Preferences) -> list[str]:
    return [pairs.texts(row).question for row in range(len(pairs))]


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("a.json", [MixedSource(place="a.json")]),
        ("o/n@v#5", [MixedSource(place="o/n@v", pairs=5)]),
        (
            "a + b#weight=0.5&seed=3",
            [MixedSource(place="a"), MixedSource(place="b", weight=0.5, seed=3)],
        ),
    ],
)
def test_a_text_names_sources_and_how_much_of_each(text, sources):
    assert list(sources_of(text)) == sources
    assert [one for source in sources for one in sources_of(str(source))] == sources


@pytest.mark.parametrize("wrong", ["0", "-1", "weight=0", "much", "pairs=1&pear=2", "seed=x", ""])
def test_what_is_not_understood_after_the_mark_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"is not understood\. Write #1000"):
        sources_of(f"a.json#{wrong}")


def test_a_file_whose_name_has_the_marks_is_that_file(write, tmp_path):
    file = write("a", 2, "What").rename(tmp_path / "a + b#3")
    assert list(places_of(str(file))) == [str(file)]


def test_sources_follow_one_another_with_caps_and_weights(write):
    first, second = write("first", 10, "What"), write("second", 4, "Who", level=1)
    pairs = Preferences(f"{first}#3 + {second}#weight=1.5")
    taken = questions(pairs)
    assert [text.split()[0] for text in taken] == ["What"] * 3 + ["Who"] * 6
    assert taken[3:7] == [f"Who {i}?" for i in range(4)]
    assert set(taken[7:]) < set(taken[3:7])
    assert taken[:3] == sorted(taken[:3])
    assert list(pairs.values("question")) == taken
    assert [pair.question for pair in pairs] == taken
    assert pairs.place(0)[0] == str(first)
    assert pairs.file_names == (str(first), str(second))
    assert "level" not in pairs.columns
    assert pairs.format == "plain"
    assert [said.partition(": ")[2] for said in pairs.said()] == [
        "read as plain, 3 pairs of 10",
        "read as plain, 6 pairs of 4",
    ]


def test_what_is_drawn_depends_on_the_seed_alone(write):
    file = write("a", 200, "What")
    drawn = questions(Preferences(f"{file}#20"))
    assert drawn[:3] == ["What 38?", "What 44?", "What 61?"]  # recorded: must never change
    assert questions(Preferences(f"{file}#pairs=20")) == drawn
    assert questions(Preferences(f"{file}#pairs=20&seed=1")) != drawn


def test_a_mixture_is_named_by_its_contents(write):
    one, other = write("one", 8, "What"), write("other", 8, "Who")
    whole = Preferences(one).digest
    assert Preferences(f"{one}#8").digest == whole
    assert Preferences(f"{one}#5").digest != whole
    assert Preferences(f"{one}#5").digest == Preferences(f"{one}#pairs=5&weight=1").digest
    mixed = Preferences(f"{one} + {other}")
    assert mixed.digest not in {whole, Preferences(f"{other} + {one}").digest}
    moved = write("moved", 8, "What")
    assert Preferences(f"{moved} + {other}").digest == mixed.digest
    assert mixed.without([3]).digest != mixed.digest
    assert questions(mixed.without([3]))[2:5] == ["What 2?", "What 4?", "What 5?"]


def test_what_repeats_is_counted_and_a_pair_taken_twice_is_none(write, rows):
    one, other = write("one", 6, "What"), write("other", 4, "What", idx=None)
    found = check_pairs(Preferences(f"{one}#weight=2"))
    assert (found.bad, found.notes()) == (0, [])
    file = write("near", 2, "Near")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0] |= {"idx": "a", "rejected": "0  dogs"}
    lines.append(lines[1] | {"chosen": "1  dogs", "idx": "b"})
    file.write_text("".join(json.dumps(row) + "\n" for row in lines))
    found = check_pairs(Preferences(f"{one} + {other} + {file}"))
    assert found.summary()["pairs_of_several_sources"] == 4
    assert found.notes() == [
        "4 pairs stand in an earlier source too",
        "1 pairs differ from an earlier one only in space or a full stop",
        "1 pairs have responses that differ only so",
    ]


def test_equal_texts_about_other_pictures_are_no_duplicates(write, tmp_path):
    import io

    from PIL import Image

    one, other = write("one", 3, "What"), write("other", 3, "What")
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    (other.parent / "a.png").write_bytes(stream.getvalue())
    assert not check_pairs(Preferences(f"{one} + {other}")).notes()
