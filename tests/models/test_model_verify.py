"""A checkpoint that is cut off, mixed up or incomplete is found without loading it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_qwen
import torch
import world_fixture
from safetensors.torch import load_file, save_file

from harness.errors import DataError
from harness.models.headers import read_shapes
from harness.models.verify import check_model

INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Like the hub's llava-1.5: two shards and an index."""
    folder = world_fixture.write_base(tmp_path_factory.mktemp("base"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    places = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: weights[name] for name in part}, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "model"))


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def change(folder: Path, name: str, weight: torch.Tensor | None) -> Path:
    """Replace a weight, or take it away from the shard alone."""
    place = json.loads((folder / INDEX).read_text())["weight_map"][name]
    weights = load_file(folder / place)
    del weights[name]
    save_file(weights if weight is None else weights | {name: weight}, folder / place)
    return folder / place


def test_a_whole_model_has_no_problems(whole, tmp_path):
    assert check_model(whole) == []
    single = world_fixture.write_base(tmp_path / "single")
    assert check_model(single) == []
    assert check_model(tiny_qwen.write_qwen(tmp_path / "qwen")) == []


def test_names_of_the_hub_are_as_good(folder):
    """There the tower's weights begin with `vision_tower.vision_model.`."""
    places = json.loads((folder / INDEX).read_text())["weight_map"]
    rename = {name: name.replace("vision_tower.", "vision_tower.vision_model.") for name in places}
    for shard in shards(folder):
        save_file({rename[name]: weight for name, weight in load_file(shard).items()}, shard)
    weight_map = {rename[name]: file for name, file in places.items()}
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    assert check_model(folder) == []


def test_shapes_are_those_that_safetensors_reads(whole):
    for shard in shards(whole):
        expected = {name: tuple(weight.shape) for name, weight in load_file(shard).items()}
        assert read_shapes(shard) == expected


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_shard_that_is_cut_off_is_named(folder, kept):
    file = shards(folder)[1]
    file.write_bytes(file.read_bytes()[:kept])
    (problem,) = check_model(folder)
    assert problem.startswith(f"{file}: it ")
    assert f"fetch again: hf download OWNER/NAME --local-dir {folder}" in problem


def test_bytes_too_many_are_found(folder):
    file = shards(folder)[0]
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"\0")
    (problem,) = check_model(folder)
    assert f"{file}: it has {size + 1:,} bytes and its header speaks of {size:,}" in problem


def test_everything_is_told_at_once(folder):
    first, second = shards(folder)
    first.rename(f"{first}.incomplete")
    second.write_bytes(second.read_bytes()[:-8])
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text("{")
    (folder / "processor_config.json").unlink()
    told = "\n".join(check_model(folder, "llava-hf/llava-1.5-7b-hf"))
    for expected in (
        f"{first}: it is not there, and the index names it",
        f"{second}: it has ",
        f"{folder / 'tokenizer.json'}: no tokenizer is there",
        f"{folder / 'tokenizer_config.json'}: not readable as JSON",
        "neither processor_config.json nor preprocessor_config.json",
        f"{first}.incomplete: a download was cut off",
        "fetch again: hf download llava-hf/llava-1.5-7b-hf",
    ):
        assert expected in told


def test_the_rest_of_an_interrupted_download_into_a_folder_is_named(folder):
    rest = folder / ".cache" / "huggingface" / "download" / "x.abc.incomplete"
    rest.parent.mkdir(parents=True)
    rest.write_bytes(b"")
    assert check_model(folder) == []
    shards(folder)[0].unlink()
    assert str(rest) in check_model(folder)[1]


def test_a_pointer_of_git_lfs_is_named(folder):
    file = shards(folder)[0]
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert f"{file}: it is a pointer of git-lfs" in check_model(folder)[0]


def test_a_weight_that_only_the_index_has_is_named(folder):
    name = "language_model.model.layers.1.mlp.up_proj.weight"
    file = change(folder, name, None)
    (problem,) = check_model(folder)
    assert problem.startswith(f"{file}: no {name} in it, where the index puts it")


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("language_model.model.layers.1.", "no weights of language_model.model.layers.1"),
        ("language_model.model.layers.0.mlp.up_proj", "layers.0.mlp.up_proj.weight"),
        ("vision_tower.encoder.layers.0.", "no weights of vision_tower.encoder.layers.0"),
        ("vision_tower.", "no weights of a vision tower"),
        ("multi_modal_projector.linear_2.bias", "linear_2.bias"),
        ("language_model.lm_head", "no weight lm_head.weight"),
        ("language_model.model.norm", "no weight norm.weight"),
        ("language_model.model.embed_tokens", "no weight embed_tokens.weight"),
    ],
)
def test_weights_that_neither_shards_nor_index_have_are_named(folder, gone, told):
    for shard in shards(folder):
        kept = {n: w for n, w in load_file(shard).items() if not n.startswith(gone)}
        save_file(kept, shard)
    places = json.loads((folder / INDEX).read_text())["weight_map"]
    kept_places = {name: file for name, file in places.items() if not name.startswith(gone)}
    (folder / INDEX).write_text(json.dumps({"weight_map": kept_places}))
    assert told in "\n".join(check_model(folder))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("language_model.model.embed_tokens.weight", (399, 32)),
        ("language_model.lm_head.weight", (400, 31)),
        ("language_model.model.layers.1.mlp.up_proj.weight", (64, 33)),
        ("language_model.model.layers.0.self_attn.q_proj.weight", (32, 16)),
        ("multi_modal_projector.linear_1.weight", (32, 32)),
        ("vision_tower.embeddings.position_embedding.weight", (9, 16)),
    ],
)
def test_a_shape_that_config_json_does_not_have_is_named(folder, name, shape):
    change(folder, name, torch.zeros(shape))
    told = "\n".join(check_model(folder))
    assert name.removeprefix("language_model.") in told
    assert str(list(shape)) in told


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("vocab_size", 384, "it has a token 399, and config.json has 384 rows"),
        ("num_hidden_layers", 3, r"no weights of language_model.model.layers.2"),
        ("num_hidden_layers", 1, "one layer more than the 1 of config.json"),
        ("intermediate_size", 65, "config.json asks for [65, 32]"),
    ],
)
def test_a_config_of_another_size_is_found(folder, key, value, told):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"][key] = value
    (folder / "config.json").write_text(json.dumps(config))
    assert told in "\n".join(check_model(folder))


def test_sizes_that_config_json_leaves_out_are_those_of_llama_7b(folder):
    """As in the hub's llava-1.5-7b: 400 words are given, and a width of 4096 is not."""
    config = json.loads((folder / "config.json").read_text())
    del config["text_config"]["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config))
    assert "asks for [400, 4096]" in "\n".join(check_model(folder))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"model_type": "bert"}', "model_type 'bert' is not known here"),
        ("{}", "model_type None is not known here"),
        ("", "it is empty"),
        ("[1]", "not a JSON object"),
        ('{"model_type": "llava", "text_config": 7, "vision_config": []}', "30 of 32 layers"),
    ],
)
def test_a_config_of_something_else_is_named(folder, text, told):
    (folder / "config.json").write_text(text)
    problem = check_model(folder)[0]
    assert told in problem
    assert str(folder) in problem


def test_pickles_are_not_read(folder):
    for file in (*shards(folder), folder / INDEX):
        file.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK")
    (problem,) = check_model(folder)
    assert "the weights are pickles (*.bin), which are not read here" in problem


def test_an_index_that_is_none_is_named(folder):
    (folder / INDEX).write_text('{"weight_map": [1]}')
    assert f"{folder / INDEX}: not an index of weights" in check_model(folder)[0]


@pytest.mark.parametrize(
    "header", [b"{]", b"[1]", b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}']
)
def test_a_damaged_header_is_an_error(tmp_path, header):
    """The last one claims two numbers of four bytes in four bytes."""
    file = tmp_path / "a.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(DataError, match="its header is damaged"):
        read_shapes(file)


def test_a_header_of_many_gigabytes_is_not_read(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    with pytest.raises(DataError, match="does not begin like a safetensors file"):
        read_shapes(file)


def test_no_model_library_is_imported_for_a_check(whole):
    code = (
        "import sys; from pathlib import Path; from harness.models.verify import check_model; "
        f"print(check_model(Path({str(whole)!r})), "
        "sys.modules.keys() & {'torch', 'transformers'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] set()\n"
