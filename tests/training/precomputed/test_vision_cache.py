"""Features of the vision tower on the disk: the same numbers, bounded, told before written."""

import copy
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import world_fixture
from processes import losses, workers

from harness.data.pairs.preferences import Preferences
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform
from harness.models.base import load_base
from harness.training.precomputed.vision_cache import (
    SHARD_IMAGES,
    VisionCache,
    VisionKey,
    ensure_vision_cache,
)
from harness.training.process import PROGRESS_FILE
from harness.training.step.policy import Policy, VisionTower

KEY = VisionKey("model", "data", "center_crop", "float32", "cpu", "0")
ALONE = SimpleNamespace(rank=0, count=1)
CPU = torch.device("cpu")
PAIRS = 80
IMAGES = PAIRS // 2
IMAGE_BYTES = 9 * 16 * 4
"""48 x 48 pixels in patches of 16 are 9 features of 16 float32 numbers."""


class CountedTower:
    """The tower, which counts the images that it encodes."""

    def __init__(self, llava):
        self._tower = VisionTower(llava, CPU)
        self.images = 0

    def features(self, images):
        self.images += len(images)
        return self._tower.features(images)


@pytest.fixture(scope="module")
def model(base):
    return load_base(base, torch.float32)


@pytest.fixture(scope="module")
def policy(model):
    return Policy(copy.deepcopy(model.model))


@pytest.fixture
def tower(model):
    return CountedTower(model.model)


@pytest.fixture(scope="module")
def preferences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return Preferences(world_fixture.write_rows(folder / "p.parquet", world_fixture.rows(PAIRS)))


@pytest.fixture(scope="module")
def pairs(model, preferences):
    tokenizer = PairTokenizer(
        model.processor, TEMPLATES["vicuna_v1"], model.image_tokens, max_length=500
    )
    return list(tokenizer.tokenize(preferences))


@pytest.fixture
def store(model, preferences):
    return ImageStore(preferences, ImageTransform(model.processor, "center_crop"))


@pytest.fixture
def collate(model, pairs, store):
    def with_cache(cache):
        image_id = model.processor.image_token_id
        return Collator(pairs, store, no_segments, {}, image_id, cache.keeps)

    return with_cache


@pytest.fixture
def make(tmp_path, tower, pairs, store):
    """Make the cache: `make(images)` bounds it to so many."""

    def made(images, *, key=KEY, tell=lambda text: None, advance=lambda done, total: None):
        bound = images * IMAGE_BYTES / 1e9
        return ensure_vision_cache(
            key, tmp_path, tower, pairs, store, bound, ALONE, tell, CPU, advance
        )

    return made


@pytest.mark.parametrize("kept", [0, 16, 32, IMAGES])
def test_log_probabilities_are_bit_identical_with_and_without(policy, make, collate, tower, kept):
    """Batches hold images that are kept, images that are not, and both, some of them twice."""
    plain, cache = VisionCache(tower), make(kept)
    for rows in ([0, 40, 3, 2], [33, 34], [1, 20, 35, 39]):
        with torch.no_grad():
            tokens, whole = collate(cache)(rows), collate(plain)(rows)
            features = cache.features(tokens)
            assert torch.equal(features, plain.features(whole))
            found, expected = policy(tokens, features), policy(whole, plain.features(whole))
        for side in (0, 1):
            assert torch.equal(found[side], expected[side])


def test_images_that_are_kept_are_neither_decoded_nor_encoded(make, collate, tower, store):
    cache = make(IMAGES)
    store.tensor = None
    tower.images = 0
    tokens = collate(cache)([0, 5, 40])
    assert len(tokens.images) == 0
    assert cache.features(tokens).shape == (2, 9, 16)
    assert tower.images == 0


def test_a_second_run_encodes_one_image_to_know_the_size(make, tower):
    make(IMAGES)
    assert tower.images == 1 + IMAGES
    make(IMAGES)
    assert tower.images == 1 + IMAGES + 1


@pytest.mark.parametrize(
    ("bound", "kept"), [(0, 0), (15, 0), (16, 16), (31, 16), (39, 32), (40, 40), (1000, 40)]
)
def test_the_bound_is_kept_in_whole_files(make, pairs, bound, kept, tmp_path):
    """40 images are two files of 16 and one of 8; a row has the image of the row 40 before."""
    cache = make(bound)
    held = [cache.keeps(image) for pair in pairs for image in pair.images]
    assert held == ([True] * kept + [False] * (40 - kept)) * 2
    sizes = sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors"))
    assert sizes == pytest.approx(kept * IMAGE_BYTES, abs=300)


def test_a_larger_bound_adds_to_what_is_there(make, tower):
    make(16)
    tower.images = 0
    make(IMAGES)
    assert tower.images == 1 + IMAGES - 16


def test_the_size_is_told_before_anything_is_written(make, tmp_path):
    """40 images of 576 bytes are 0.02 MB; 16 of them are kept."""
    told = []

    def tell(text):
        told.append(text)
        assert not list(tmp_path.rglob("*"))

    make(20, tell=tell)
    assert len(told) == 1
    assert "Features of 40 images take 0.02 MB; 16 of them, 0.01 MB, are kept in" in told[0]


def test_progress_is_told_in_images(make):
    told = []
    make(IMAGES, advance=lambda done, total: told.append((done, total)))
    assert told == [(0, 40), (16, 40), (32, 40), (40, 40)]


def test_damaged_file_is_told_and_encoded_again(make, tmp_path, tower, caplog):
    make(IMAGES)
    file = next(tmp_path.rglob("images-000001.safetensors"))
    content = file.read_bytes()
    file.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    tower.images = 0
    make(IMAGES)
    assert tower.images == 1 + SHARD_IMAGES
    assert f"{file} is damaged and is made again" in caplog.text
    assert file.read_bytes() == content


def test_every_field_of_the_key_encodes_anew(make, tower, tmp_path):
    keys = [KEY, *(KEY._replace(**{name: "x"}) for name in KEY._fields)]
    for key in keys:
        make(16, key=key)
    assert tower.images == len(keys) * (1 + SHARD_IMAGES)
    assert len({key.folder(tmp_path) for key in keys}) == len(keys)


@pytest.mark.processes
def test_a_run_has_the_same_numbers_with_and_without(make_run, cache):
    """10 images; room for all of them, for none, and no cache."""
    bounds = (1.0, IMAGE_BYTES / 1e9, 0.0)
    runs = [make_run("dpo", training={"vision_cache_gb": bound})[0] for bound in bounds]
    for run in runs:
        run.logs.mkdir(exist_ok=True)
    workers([(run, None) for run in runs], 1)
    assert losses(runs[0]) == losses(runs[1]) == losses(runs[2])
    assert len(list((cache / "vision").rglob("images-*.safetensors"))) == 1
    said = [(run.logs / PROGRESS_FILE).read_text() for run in runs[:2]]
    assert ["10 of them" in text for text in said] == [True, False]
    assert ["; 0 of them" in text for text in said] == [False, True]
    assert not (runs[2].logs / PROGRESS_FILE).exists()


MAKE = """
import sys, time, torch
from pathlib import Path
from types import SimpleNamespace
from harness.data.images import ImageRef
from harness.training.precomputed import vision_cache
folder, log, rank, ranks = sys.argv[1:]
KEY = vision_cache.VisionKey("model", "data", "center_crop", "float32", "cpu", "0")
class Tower:
    def features(self, images):
        if len(images) > 1:
            with Path(log).open("a") as stream:
                stream.write(f"{int(images[0, 0, 0, 0])}\\n")
            time.sleep(0.05)
        return images.flatten(2)[:, :, :2]
images = SimpleNamespace(tensor=lambda image: torch.full((3, 2, 2), float(image.row)))
refs = [ImageRef(row, 0, f"{row:02x}") for row in range(160)]
pairs = [SimpleNamespace(images=(ref,)) for ref in refs]
cache = vision_cache.ensure_vision_cache(
    KEY, Path(folder), Tower(), pairs, images, 1.0,
    SimpleNamespace(rank=int(rank), count=int(ranks)), lambda text: None, torch.device("cpu")
)
assert all(map(cache.keeps, refs))
batch = SimpleNamespace(
    image_refs=(refs[150], refs[7]), images=torch.zeros(0, 3, 0, 0),
    packed=SimpleNamespace(input_ids=torch.zeros(1)),
)
assert cache.features(batch)[:, 0, 0].tolist() == [150.0, 7.0]
"""


@pytest.mark.processes
@pytest.mark.parametrize("ranks", [[(0, 1), (0, 1)], [(0, 2), (1, 2)]], ids=["runs", "ranks"])
def test_two_processes_at_once_encode_no_image_twice(tmp_path, ranks):
    log = tmp_path / "log"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path / "c"), str(log), str(rank), str(count)],
            env=environment,
        )
        for rank, count in ranks
    ]
    assert [one.wait() for one in both] == [0, 0]
    assert sorted(map(int, log.read_text().split())) == list(range(0, 160, SHARD_IMAGES))
