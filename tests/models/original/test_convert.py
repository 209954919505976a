"""A checkpoint in the original layout becomes the same model in the layout of Hugging Face."""

import json
import shutil
from pathlib import Path

import original_checkpoint as made
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from harness.data.templates import TEMPLATES
from harness.errors import DataError
from harness.models.original.convert import padded
from harness.models.original.layout import renamed
from harness.models.sources import located_model, model_folder
from harness.models.verify import check_model
from harness.settings.spec import ModelSpec


@pytest.fixture(scope="module")
def hugging_face():
    return made.hugging_face_model()


@pytest.fixture(scope="module", params=["safetensors", "bin"])
def stored(request, tmp_path_factory, hugging_face):
    place = tmp_path_factory.mktemp(request.param)
    return made.write_original(place / "llava", place / "clip", hugging_face, request.param)


@pytest.fixture(scope="module")
def tables(tmp_path_factory, hugging_face):
    place = tmp_path_factory.mktemp("safetensors")
    return made.write_original(place / "llava", place / "clip", hugging_face, "safetensors")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copied(tables, tmp_path):
    """A copy that a test may damage, with a vision tower of its own."""
    folder = Path(shutil.copytree(tables, tmp_path / "llava"))
    clip = shutil.copytree(tables.parent / "clip", tmp_path / "clip")
    change(folder, mm_vision_tower=str(clip))
    return folder


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))


def conversions(cache: Path) -> list[Path]:
    return [path for path in (cache / "models").glob("*") if path.is_dir()]


def refused(folder: Path, cache: Path) -> str:
    with pytest.raises(DataError) as caught:
        model_folder(ModelSpec(path=str(folder)))
    assert conversions(cache) == []
    return str(caught.value)


def test_logits_equal_those_of_the_model_whose_weights_were_renamed(stored, hugging_face):
    """Bit for bit: the conversion copies weights, and the new rows are the same mean."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = model_folder(ModelSpec(path=str(stored)))
    converted = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    image = Image.effect_noise((60, 50), 90).convert("RGB")
    inputs = processor(
        text="USER: <image>\nWhat is there? ASSISTANT: a dog", images=image, return_tensors="pt"
    )
    assert int((inputs["input_ids"] == made.WORDS).sum()) == 9
    with torch.no_grad():
        found, expected = converted(**inputs).logits, hugging_face(**inputs).logits
    assert found.shape[-1] == made.ROWS
    assert torch.equal(found, expected)
    assert found.std() > 0.1
    assert check_model(folder) == []


def test_the_tokenizer_gives_the_ids_of_sentencepiece(tables):
    import sentencepiece
    from transformers import AutoProcessor

    tokenizer = AutoProcessor.from_pretrained(
        model_folder(ModelSpec(path=str(tables))), backend="pil"
    ).tokenizer
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tables / "tokenizer.model"))
    for text in ("There is a red dog next to the house.", "two  spaces, an é and 猫"):
        assert tokenizer(text)["input_ids"] == [1, *pieces.encode(text)]
    assert len(tokenizer) == made.WORDS + 2
    assert tokenizer.convert_tokens_to_ids(["<image>", "<pad>"]) == [made.WORDS, made.WORDS + 1]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (made.WORDS + 1, 2)


def test_the_chat_template_is_vicuna_v1(tables):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(
        model_folder(ModelSpec(path=str(tables))), backend="pil"
    )
    content = [{"type": "text", "text": "What is there?"}, {"type": "image"}]
    asked = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    assert asked == TEMPLATES["vicuna_v1"].prompt("What is there?")


def test_an_image_is_read_as_by_the_towers_own_processor(tables):
    from transformers import AutoProcessor, CLIPImageProcessorPil

    folder = model_folder(ModelSpec(path=str(tables)))
    image = Image.effect_noise((70, 50), 90).convert("RGB")
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    clip = CLIPImageProcessorPil.from_pretrained(tables.parent / "clip")
    ours = processor.image_processor(image, return_tensors="pt")["pixel_values"]
    assert torch.equal(ours, clip(image, return_tensors="pt")["pixel_values"])


def test_new_rows_are_the_mean_of_the_old():
    """Rows (1, 4) and (3, 0) have the mean (2, 2)."""
    weight = torch.tensor([[1.0, 4.0], [3.0, 0.0]], dtype=torch.float16)
    expected = [[1.0, 4.0], [3.0, 0.0], [2.0, 2.0], [2.0, 2.0]]
    assert padded(weight, 4).tolist() == expected
    assert padded(weight, 4).dtype == torch.float16


def test_names_of_weights():
    assert renamed("model.layers.31.mlp.up_proj.weight") == (
        "language_model.model.layers.31.mlp.up_proj.weight"
    )
    assert renamed("lm_head.weight") == "language_model.lm_head.weight"
    assert renamed("model.mm_projector.2.bias") == "multi_modal_projector.linear_2.bias"
    assert renamed("model.vision_tower.vision_tower.vision_model.pre_layrnorm.bias") == (
        "vision_tower.vision_model.pre_layrnorm.bias"
    )
    assert renamed("value_head.weight") is None


def test_a_tower_inside_the_checkpoint_is_preferred(copied, hugging_face):
    """Its weights are twice those of the tower that config.json names."""
    _, tower = made.original_weights(hugging_face)
    inside = {f"model.vision_tower.vision_tower.{name}": 2 * w for name, w in tower.items()}
    index = json.loads((copied / "model.safetensors.index.json").read_text())
    save_file(inside, copied / "model-tower.safetensors")
    index["weight_map"] |= dict.fromkeys(inside, "model-tower.safetensors")
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    folder = model_folder(ModelSpec(path=str(copied)))
    places = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    name = "vision_tower.vision_model.pre_layrnorm.weight"
    found = load_file(folder / places[name])[name]
    assert torch.equal(found, 2 * tower["vision_model.pre_layrnorm.weight"])


def test_it_is_converted_once_and_again_when_the_content_changes(copied, cache):
    first = located_model(ModelSpec(path=str(copied)))
    written = (first.folder / "config.json").stat().st_mtime_ns
    assert model_folder(ModelSpec(path=str(copied))) == first.folder
    assert (first.folder / "config.json").stat().st_mtime_ns == written
    change(copied, max_position_embeddings=128)
    assert model_folder(ModelSpec(path=str(copied))) != first.folder
    assert len(conversions(cache)) == 2


def test_large_models_are_written_in_several_files(copied, monkeypatch):
    monkeypatch.setattr("harness.models.original.shards.SHARD_BYTES", 60_000)
    folder = model_folder(ModelSpec(path=str(copied)))
    files = sorted(folder.glob("model-*.safetensors"))
    assert len(files) > 2
    assert all(file.stat().st_size < 70_000 for file in files)


def test_a_pickle_of_more_than_tensors_is_not_read(hugging_face, tmp_path, cache):
    """The object would create a file when it is unpickled."""
    folder = made.write_original(tmp_path / "llava", tmp_path / "clip", hugging_face, "bin")

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (shard, *_) = sorted(folder.glob("*.bin"))
    torch.save({"model.norm.weight": Trap()}, shard)
    told = refused(folder, cache)
    assert str(shard) in told
    assert "copy of the model with safetensors" in told
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_that_is_cut_off_is_found(hugging_face, tmp_path, cache):
    folder = made.write_original(tmp_path / "llava", tmp_path / "clip", hugging_face, "bin")
    first, second = sorted(folder.glob("*.bin"))
    first.write_bytes(first.read_bytes()[:-500])
    second.unlink()
    told = refused(folder, cache)
    assert f"{first}: it is cut off" in told
    assert f"{second}: it is not there" in told
    assert "hf download" in told


def test_missing_weights_wrong_shapes_and_strangers_are_listed(copied, cache):
    (first, second) = sorted(copied.glob("model-*.safetensors"))
    for file, name, weight in (
        (first, "model.layers.0.mlp.up_proj.weight", None),
        (second, "model.layers.0.mlp.up_proj.weight", None),
        (second, "model.mm_projector.0.weight", torch.ones(16, 16)),
        (first, "model.mm_projector.0.weight", torch.ones(16, 16)),
    ):
        edit(file, name, weight)
    told = refused(copied, cache)
    assert "no weight language_model.model.layers.0.mlp.up_proj.weight" in told
    assert "linear_1.weight has the shape [16, 16], and config.json asks for [32, 16]" in told
    assert "llava-hf/llava-1.5-7b-hf" in told


def edit(file: Path, name: str, weight: torch.Tensor | None) -> None:
    """Replace a weight of a shard, or take it away, in the index too."""
    weights = load_file(file)
    if weights.pop(name, None) is None:
        return
    index_file = file.parent / "model.safetensors.index.json"
    index = json.loads(index_file.read_text())
    del index["weight_map"][name]
    if weight is not None:
        weights[name] = weight
        index["weight_map"][name] = file.name
    save_file(weights, file)
    index_file.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear', and only 'mlp2x_gelu'"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end is True, and only False"),
        ({"vocab_size": 361}, r"it has 360 words, and config.json speaks of 361|\[360, 32\]"),
        ({"mm_vision_tower": "/no/such/tower"}, "/no/such/tower: there is no such folder"),
        ({"hidden_size": None}, "hidden_size is None, not a number"),
        ({"mm_vision_select_feature": "all"}, "mm_vision_select_feature 'all' is not known"),
    ],
)
def test_settings_that_cannot_be_converted_are_named(copied, cache, values, told):
    import re

    change(copied, **values)
    assert re.search(told, refused(copied, cache))


@pytest.mark.parametrize("name", ["tokenizer.model", "tokenizer_config.json"])
def test_a_missing_tokenizer_file_is_named(copied, cache, name):
    (copied / name).unlink()
    assert str(copied / name) in refused(copied, cache)


def test_a_damaged_tokenizer_is_named(copied, cache):
    (copied / "tokenizer.model").write_bytes(b"not a model")
    assert f"{copied / 'tokenizer.model'}: not readable" in refused(copied, cache)


@pytest.mark.parametrize("name", ["model.safetensors", "preprocessor_config.json", "config.json"])
def test_a_tower_without_one_of_its_files_is_named(copied, cache, name):
    clip = copied.parent / "clip"
    (clip / name).unlink()
    assert str(clip) in refused(copied, cache)


def test_no_room_for_the_conversion_is_told_before(copied, cache, monkeypatch):
    monkeypatch.setattr(
        "harness.models.original.convert.shutil.disk_usage",
        lambda place: shutil._ntuple_diskusage(10, 9, 1),
    )
    assert "HARNESS_CACHE" in refused(copied, cache)
