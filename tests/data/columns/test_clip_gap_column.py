"""The column clip_gap, from a random CLIP."""

import math

import open_clip
import pytest
import torch
from hardness_data import write_clip

from harness.data.columns.aggregation import response_gap
from harness.data.columns.clip import Clip, split_reference
from harness.data.columns.columns import ensure_columns, read_columns, summary_file
from harness.data.columns.summary import Summary
from harness.data.images import open_image
from harness.errors import ConfigError, DataError, MissingColumn
from harness.settings.spec import HardnessSpec

GAP = frozenset({"clip_gap"})


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"))


def hardness(folder, aggregation="sum_of_joint_softmax"):
    return HardnessSpec(clip=f"local-dir:{folder}", aggregation=aggregation)


@pytest.mark.parametrize("reference", ["nothing:here", "local-dir:nowhere"])
def test_a_clip_that_there_is_not_is_told_in_short(reference):
    """open_clip lists all that it knows, of which there are hundreds."""
    with pytest.raises(ConfigError, match=f"clip {reference}: open_clip cannot load it") as told:
        Clip(reference)
    assert "Write local-dir:FOLDER, hf-hub:NAME or ARCHITECTURE:WEIGHTS." in str(told.value)
    assert len(str(told.value)) < 700


def test_joint_softmax_by_hand():
    """Logits ln 3 and 0 | 0: shares 3/5, 1/5 | 1/5, so the gap is 4/5 - 1/5."""
    chosen, rejected = torch.tensor([math.log(3) / 2, 0.0]), torch.tensor([0.0])
    gap = response_gap(chosen, rejected, 2.0, hardness("x"))
    assert gap == pytest.approx(0.6)


def test_sum_of_cosines_by_hand():
    gap = response_gap(
        torch.tensor([0.3, 0.2]), torch.tensor([0.1]), 100.0, hardness("x", "sum_of_cosines")
    )
    assert gap == pytest.approx(0.4)


def test_mean_of_cosines_by_hand():
    """(0.3 + 0.1) / 2 - 0.1."""
    gap = response_gap(
        torch.tensor([0.3, 0.1]), torch.tensor([0.1]), 9.0, hardness("x", "mean_of_cosines")
    )
    assert gap == pytest.approx(0.1)


def test_mean_of_joint_softmax_by_hand():
    """Shares 3/5, 1/5 | 1/5 as above: 2/5 - 1/5."""
    chosen, rejected = torch.tensor([math.log(3) / 2, 0.0]), torch.tensor([0.0])
    gap = response_gap(chosen, rejected, 2.0, hardness("x", "mean_of_joint_softmax"))
    assert gap == pytest.approx(0.2)


def test_swapping_the_responses_negates_the_gap():
    first, second = torch.tensor([0.3, 0.1]), torch.tensor([0.2])
    there, back = (
        response_gap(a, b, 9.0, hardness("x")) for a, b in [(first, second), (second, first)]
    )
    assert there == pytest.approx(-back)


def test_column_equals_open_clip_used_by_hand(rows, write, clip_folder, tmp_path):
    """The first pair has one chosen sentence and the same one with a second as rejected."""
    for row in rows:
        del row["clip_gap"]
    file = ensure_columns(write(rows), GAP, hardness(clip_folder), tmp_path)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    words = open_clip.get_tokenizer(f"local-dir:{clip_folder}")
    row = rows[0]
    texts = [row["chosen"], *[f"{part}." for part in row["rejected"].rstrip(".").split(". ")]]
    with torch.no_grad():
        image = model.encode_image(
            transform(open_image(row["image"]["bytes"]))[None], normalize=True
        )
        logits = (
            model.logit_scale.exp() * model.encode_text(words(texts), normalize=True) @ image[0]
        )
    shares = logits.softmax(0)
    expected = float(shares[0] - shares[1:].sum())
    assert read_columns(file, GAP)["clip_gap"][0] == pytest.approx(expected, abs=1e-5)


def test_computed_once_per_content(rows, write, clip_folder, tmp_path):
    for row in rows:
        del row["clip_gap"]
    told: list[int] = []
    source = write(rows)
    first = ensure_columns(source, GAP, hardness(clip_folder), tmp_path, told.append)
    again = ensure_columns(source, GAP, hardness(clip_folder), tmp_path, told.append)
    assert (first, sum(told)) == (again, 6)
    other = ensure_columns(source, GAP, hardness(clip_folder, "sum_of_cosines"), tmp_path)
    assert other != first


def test_text_longer_than_the_context_is_halved_and_nothing_is_lost(clip_folder):
    clip = Clip(f"local-dir:{clip_folder}")
    text = " ".join(f"dog number {i} runs" for i in range(12))
    pieces = clip.fitting([text, "a cat"])
    assert len(pieces) > 2
    assert " ".join(pieces) == f"{text} a cat"
    assert all(clip.fitting([piece]) == [piece] for piece in pieces)
    assert clip.texts(pieces).shape == (len(pieces), 16)


def test_a_giant_word_is_cut_and_no_character_is_lost(clip_folder):
    clip = Clip(f"local-dir:{clip_folder}")
    word = "supercalifragilistic" * 20
    pieces = clip.fitting([word])
    assert len(pieces) > 2
    assert "".join(pieces) == word


def test_a_text_that_does_not_fit_is_never_encoded_in_part(clip_folder):
    """The context is 16 with start and end: fourteen words fit, fifteen do not."""
    clip = Clip(f"local-dir:{clip_folder}")
    assert clip.fitting(["dog " * 14]) == ["dog " * 14]
    assert len(clip.fitting(["dog " * 15])) == 2
    with pytest.raises(ValueError, match="do not fit"):
        clip.texts(["dog " * 15])


def test_the_summary_is_kept_beside_the_column(rows, write, tmp_path):
    for row, gap in zip(rows, [0.0, 1.0, 2.0, 0.0, 1.0, 2.0], strict=True):
        row["clip_gap"] = gap
    file = ensure_columns(write(rows), GAP, hardness("none"), tmp_path)
    summary = Summary.read(summary_file(file))
    assert (summary.pairs, summary.mean, summary.minimum, summary.maximum) == (6, 1.0, 0.0, 2.0)
    assert summary.sigma_of_mean == pytest.approx(1 / (1 + math.exp(-1)))
    assert summary.deviation == pytest.approx(math.sqrt(2 / 3))


def test_a_given_nan_is_refused_with_its_row(rows, write, tmp_path):
    rows[3]["clip_gap"] = math.nan
    with pytest.raises(DataError, match="one number in every row, and row 3 holds nan"):
        ensure_columns(write(rows), GAP, hardness("none"), tmp_path)


def test_a_column_in_the_data_is_taken_as_it_is(rows, write, tmp_path):
    file = ensure_columns(write(rows), GAP, hardness("none"), tmp_path)
    assert read_columns(file, GAP)["clip_gap"].tolist() == pytest.approx(
        [row["clip_gap"] for row in rows]
    )


def test_no_column_needed_means_no_file(rows, write, tmp_path):
    assert ensure_columns(write(rows), frozenset(), hardness("none"), tmp_path) is None


def test_an_unknown_column_is_named_with_its_file(rows, write, tmp_path):
    with pytest.raises(MissingColumn, match=r"train-0.parquet: no column 'margin'"):
        ensure_columns(write(rows), frozenset({"margin"}), hardness("none"), tmp_path)


def test_a_column_that_holds_no_numbers_is_refused(rows, write, tmp_path):
    with pytest.raises(DataError, match="'ds_name' must hold one number in every row"):
        ensure_columns(write(rows), frozenset({"ds_name"}), hardness("none"), tmp_path)


def test_references_name_folder_hub_or_architecture_with_weights():
    assert split_reference("local-dir:/a:b") == ("local-dir:/a:b", None)
    assert split_reference("ViT-B-32:openai") == ("ViT-B-32", "openai")
    with pytest.raises(ConfigError, match="which weights"):
        split_reference("ViT-B-32")
