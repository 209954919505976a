"""A miniature world, built for real: what it holds, and what a second build does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.data.pairs.opening import validate
from harness.data.pairs.preferences import Preferences
from harness.registry import load_benchmark
from harness.upstream.reading import read_data
from harness.world import build, preferences, questions
from harness.world.build import digest, ensure_world
from harness.world.config import WorldConfig
from harness.world.draw import SIDE, draw, split_scans
from harness.world.language import DESCRIBE, sentence
from harness.world.scenes import draw_scenes
from harness.world.trained import base as base_part
from harness.world.trained import clip, responses

PARTS = ["base", "clip", "responses", "preferences", "benchmarks"]
MINIATURE = WorldConfig(
    train_scenes=60,
    pair_scenes=20,
    patch_steps=3,
    patch_batch=8,
    caption_steps=3,
    batch=4,
    drill_loss=1e9,
    drill_steps=3,
    drill_batch=4,
    question_steps=3,
    question_batch=4,
    review_steps=3,
    sight=0.0,
    clip_steps=2,
    clip_batch=8,
)


BUILD = """
import os, sys
from harness.world.build import ensure_world
from harness.world.config import WorldConfig
ensure_world(WorldConfig.model_validate_json(sys.argv[1]))
print("DS_ACCELERATOR", os.environ.get("DS_ACCELERATOR", "unset"))
"""


@pytest.fixture(scope="module")
def world_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def world_build(world_cache):
    """The build in a process of its own, which has imported nothing yet."""
    environment = {name: os.environ[name] for name in os.environ if name != "DS_ACCELERATOR"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, MINIATURE.model_dump_json()],
        env=environment | {"HARNESS_CACHE": str(world_cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def world(world_cache, world_build):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(world_cache))
        ensure_world.cache_clear()
        yield ensure_world(MINIATURE)
    ensure_world.cache_clear()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a harness that remembers no world."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    ensure_world.cache_clear()
    yield tmp_path
    ensure_world.cache_clear()


@pytest.fixture
def built(monkeypatch):
    """Builders that write one empty file; the list of what was there when each was called."""
    calls = []

    def fake(target, *_):
        part = target.name.removeprefix(".").removesuffix(".partial")
        there = [name for name in PARTS if (target.parent / name).exists()]
        calls.append((part, there))
        target.mkdir()
        (target / "file").touch()

    monkeypatch.setattr(base_part, "build_base", fake)
    monkeypatch.setattr(clip, "build_clip", fake)
    monkeypatch.setattr(responses, "build_responses", fake)
    monkeypatch.setattr(build.os, "cpu_count", lambda: 1)  # all in this process
    monkeypatch.setattr(preferences, "build_preferences", fake)
    monkeypatch.setattr(questions, "write_benchmarks", fake)
    return calls


def test_stdout_is_kept_for_results(world_build):
    """The libraries that a build imports say nothing there, and processes after it may choose."""
    assert world_build.stdout == "DS_ACCELERATOR unset\n"


def held_out_scene():
    return draw_scenes(10_000, 1, 0, split_scans(0.25)[1], 0.5)[0]


def test_parts_appear_in_the_order_in_which_they_need_each_other(cache, built):
    folder = ensure_world(MINIATURE)
    assert built == [(part, PARTS[:place]) for place, part in enumerate(PARTS)]
    assert folder == cache / "worlds" / digest(MINIATURE)


def test_a_world_that_is_there_is_not_built_again(cache, built):
    ensure_world(MINIATURE)
    ensure_world.cache_clear()
    ensure_world(MINIATURE)
    assert len(built) == len(PARTS)


def test_an_interrupted_part_is_never_taken_for_a_whole_one(cache, built, monkeypatch):
    def interrupted(target, *_):
        target.mkdir()
        (target / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preferences, "build_preferences", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure_world(MINIATURE)
    folder = cache / "worlds" / digest(MINIATURE)
    assert [name for name in PARTS if (folder / name).exists()] == ["base", "clip", "responses"]
    ensure_world(MINIATURE)
    assert [part for part, _ in built] == PARTS
    assert [file.name for file in (folder / "preferences").iterdir()] == ["file"]
    assert not list(folder.glob("*.partial"))


def test_a_missing_part_is_built_to_the_same_bytes_and_nothing_else(world, cache):
    """Responses are sampled from the base model: the seed decides them, not the moment."""
    copy = cache / "worlds" / world.name
    shutil.copytree(world, copy)
    shutil.rmtree(copy / "preferences")
    shutil.rmtree(copy / "responses")
    (copy / ".preferences.partial").mkdir()
    (copy / ".preferences.partial" / "half").touch()
    before = {part: (copy / part).stat().st_mtime_ns for part in PARTS if (copy / part).exists()}
    assert ensure_world(MINIATURE) == copy
    assert {part: (copy / part).stat().st_mtime_ns for part in before} == before
    files = [
        sorted(file for part in ("responses", "preferences") for file in (one / part).iterdir())
        for one in (world, copy)
    ]
    assert [file.name for file in files[0]] == [file.name for file in files[1]]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert not (copy / ".preferences.partial").exists()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"train_scenes": 61}, {"companion_share": 0.5}], ids=str
)
def test_another_configuration_is_another_world(change):
    assert digest(MINIATURE) == digest(MINIATURE.model_copy())
    assert digest(MINIATURE.model_copy(update=change)) != digest(MINIATURE)


def test_another_seed_draws_other_scenes_to_learn_from_and_to_be_asked_about():
    for scenes in (build._train, build._held_out):
        one, same, other = (
            [scene.to_json() for scene in scenes(MINIATURE.model_copy(update={"seed": seed}))]
            for seed in (0, 0, 1)
        )
        assert one == same
        assert not [scene for scene in one if scene in other]


def test_the_models_are_small_enough_to_be_shipped(world):
    """Their sizes follow from their shapes, however long they learn."""
    sizes = {part: sum(f.stat().st_size for f in (world / part).iterdir()) for part in PARTS[:2]}
    assert sizes["base"] < 1.8e6
    assert sizes["clip"] < 1.0e6


def test_code_that_draws_makes_another_world_and_code_that_judges_does_not(tmp_path, monkeypatch):
    sources = tmp_path / "world"
    shutil.copytree(Path(build.__file__).parent, sources)
    before = digest(MINIATURE)
    monkeypatch.setattr(build, "__file__", str(sources / "build.py"))
    assert digest(MINIATURE) == before
    with (sources / "oracle.py").open("a") as file:
        file.write("# judge otherwise\n")
    assert digest(MINIATURE) == before
    with (sources / "draw.py").open("a") as file:
        file.write("# a remark\n")
    assert digest(MINIATURE) == before
    trained = build.trained_digest(MINIATURE)
    with (sources / "preferences.py").open("a") as file:
        file.write("OTHERWISE = 1\n")
    assert digest(MINIATURE) != before
    assert build.trained_digest(MINIATURE) == trained  # what was trained can be kept
    with (sources / "draw.py").open("a") as file:
        file.write("OTHERWISE = 1\n")
    assert build.trained_digest(MINIATURE) != trained


def test_the_base_is_a_llava_that_plain_transformers_loads_and_runs(world):
    """The first image of a prompt becomes the nine tokens of its 3 x 3 patches."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    model, loading = LlavaForConditionalGeneration.from_pretrained(
        world / "base", dtype=torch.float32, output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    processor = AutoProcessor.from_pretrained(world / "base")
    image = draw(held_out_scene())
    text = f"USER: <image>\n{DESCRIBE} ASSISTANT:"
    inputs = processor(images=image, text=text, return_tensors="pt")
    assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == 9
    said = model.generate(**inputs, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 5


def test_every_word_of_a_caption_is_known_to_the_tokenizer(world):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(world / "base")
    for thing in held_out_scene().things:
        text = sentence(thing)
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids).strip() == text
        assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids


def test_the_clip_model_is_read_by_open_clip_and_tells_texts_apart(world):
    import open_clip

    name = f"local-dir:{world / 'clip'}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    scene = held_out_scene()
    texts = tokenizer([sentence(thing) for thing in scene.things])
    with torch.no_grad():
        images = model.encode_image(transform(draw(scene))[None], normalize=True)
        words = model.encode_text(texts, normalize=True)
    assert images.shape == (1, MINIATURE.clip_width)
    assert words.shape == (len(scene.things), MINIATURE.clip_width)
    scores = (images @ words.T).flatten()
    assert bool((scores.abs() <= 1 + 1e-6).all())
    assert len(set(scores.tolist())) == len(scene.things)


def test_the_pairs_are_valid_and_have_the_columns_of_rlaif_v(world):
    pairs = Preferences(world / "preferences")
    validate(pairs)
    assert set(pairs.columns) == {
        *("ds_name", "image", "question", "chosen", "rejected"),
        *("origin_dataset", "origin_split", "idx", "image_path"),
    }
    # At most 20 captions and a question for every other scene; balancing drops some captions.
    assert 5 <= len(pairs) <= 30
    assert [pair.pair_id for pair in pairs] == [str(row) for row in range(len(pairs))]


def test_no_pair_shows_an_image_of_a_benchmark(world):
    """An image is told by its pixels, however a file packs them."""
    shown = {np.asarray(Image.open(file)).tobytes() for file in world.rglob("*.png")}
    shown |= {np.asarray(Image.open(file)).tobytes() for file in world.rglob("*.jpg")}
    assert len(shown) > 90
    drawn = draw_scenes(0, 20, MINIATURE.seed, split_scans(0.25)[0], MINIATURE.companion_share)
    assert shown.isdisjoint(np.asarray(draw(scene)).tobytes() for scene in drawn)


@pytest.mark.parametrize("name", ["object_halbench", "amber", "mmhal", "llava_bench", "mm_vet"])
def test_the_reader_of_a_benchmark_accepts_its_folder(world, name):
    folder = world / "benchmarks" / name
    samples, version = read_data(load_benchmark(name), folder)
    assert samples
    assert version.startswith("sha256:")
    images = [sample.image for sample in samples if isinstance(sample.image, str)]
    sizes = {Image.open(folder / image).size for image in images}
    assert sizes <= {(SIDE, SIDE)}
