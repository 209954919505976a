"""What is written for other tools is read again as the same pairs, here and by `datasets`."""

import json
from pathlib import Path

import pytest

from harness.data.formats.columns import TEXTS
from harness.data.pairs.checks import check_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.writers.write import WRITERS, write_as
from harness.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def talks(tmp_path, png):
    """Two pairs, of which the second has an earlier turn."""
    folder = tmp_path / "talks"
    folder.mkdir()
    (folder / "a.png").write_bytes(png)
    rows = [
        {
            "prompt": [{"role": "user", "content": text} for text in asked[:1]]
            + [{"role": "assistant", "content": text} for text in asked[1:2]]
            + [{"role": "user", "content": text} for text in asked[2:]],
            "chosen": [{"role": "assistant", "content": "A dog."}],
            "rejected": [{"role": "assistant", "content": "A cat."}],
            "images": ["a.png"],
            "level": 0.5,
            "note": "made",
        }
        for asked in (["What?"], ["Who?", "Ann.", "What?"])
    ]
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Preferences(file)


@pytest.fixture
def png():
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("name", ["trl", "llamafactory"])
def test_what_is_written_is_read_again_as_the_same_pairs(name, talks, tmp_path):
    place = write_as(name, talks, {"clip_gap": [0.25, -1.0]}, tmp_path / "out")
    pairs = Preferences(place)
    assert pairs.format == {"trl": "trl", "llamafactory": "llama_factory"}[name]
    assert [pairs.texts(row) for row in (0, 1)] == [talks.texts(row) for row in (0, 1)]
    assert [pair.image for pair in pairs] == [pair.image for pair in talks]
    assert pairs.column("clip_gap") == [0.25, -1.0]
    assert pairs.column("level") == [0.5, 0.5]
    assert pairs.column("note") == ["made", "made"]
    assert not check_pairs(pairs).bad


def test_parquet_has_no_place_for_earlier_turns(talks, tmp_path):
    with pytest.raises(DataError, match=r"row 1: has 1 earlier turns.*export --to trl"):
        write_as("parquet", talks, {}, tmp_path / "out.parquet")
    assert not list(tmp_path.glob("*out*"))
    place = write_as("parquet", talks.without([1]), {"clip_gap": [0.25]}, tmp_path / "one.parquet")
    pairs = Preferences(place)
    assert (pairs.format, pairs.texts(0)) == ("rlaif_v", talks.texts(0))
    assert pairs.column("clip_gap") == [0.25]
    assert pairs[0].image == talks[0].image


def test_nothing_is_overwritten(talks, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        write_as("llamafactory", talks, {}, tmp_path / "out")
    with pytest.raises(ConfigError, match="this is the data itself"):
        write_as("trl", talks, {}, Path(str(talks.source)))


def test_every_layout_can_be_asked_for_by_its_name():
    from harness.commands.export import Layout

    assert {each.value for each in Layout} == WRITERS.keys()


def test_datasets_reads_the_pictures_that_are_written_for_trl(talks, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    from datasets import load_dataset

    place = write_as("trl", talks, {}, tmp_path / "out.parquet")
    rows = load_dataset(
        "parquet", data_files=str(place), split="train", cache_dir=str(tmp_path / "hf")
    )
    assert rows[1]["prompt"][1] == {"role": "assistant", "content": "Ann."}
    assert rows[0]["images"][0].size == (8, 8)
    assert rows[0]["level"] == 0.5
    assert set(TEXTS[1:]) < set(rows.column_names)
