"""The benchmarks of the tiny world in their published formats."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from question_world import build_world, held_out_scenes

from benchmarks.mmhal import TYPES
from benchmarks.types import Response
from harness.errors import ConfigError
from harness.evaluation.generation.samples import read_samples
from harness.registry import load_benchmark
from harness.world import language
from harness.world.asked import Asked, asked_from_json, read_asked
from harness.world.draw import draw
from harness.world.language import CAPTION_PROMPTS
from harness.world.questions.amber import likely
from harness.world.questions.asking import ask_first, ask_for
from harness.world.questions.mm_vet import SETS
from harness.world.questions.object_halbench import CATEGORIES, _instances
from harness.world.scenes import Scene, Sign, Thing

NAMES = ("object_halbench", "amber", "mmhal", "llava_bench", "mm_vet")
DOGS = Thing("dog", 2, "red", "small", "standing", 1)
BED = Thing("bed", 1, "blue", "large", "standing", 8)
SCENE = Scene(0, "park", (DOGS, BED), (Sign(7, 4, 3),), 5)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("questions") / "world")


@pytest.fixture(scope="module")
def samples(world):
    return {name: read_samples(load_benchmark(name), world / "benchmarks") for name in NAMES}


@pytest.fixture(scope="module")
def asked(world):
    return {(one.benchmark, one.id): one for one in read_asked(world / "benchmarks")}


@pytest.mark.parametrize("name", ["object_halbench", "mmhal", "llava_bench", "mm_vet"])
def test_the_readers_find_the_published_number_of_samples(samples, name):
    assert len(samples[name]) == load_benchmark(name).samples


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_known_to_the_oracle_with_its_text_and_picture(world, samples, asked, name):
    for sample in samples[name]:
        one = asked[name, sample.id]
        assert sample.question == one.text
        stored = sample.image
        picture = (
            io.BytesIO(stored)
            if isinstance(stored, bytes)
            else world / "benchmarks" / name / stored
        )
        with Image.open(picture) as image:
            difference = np.asarray(image.convert("RGB"), float) - np.asarray(
                draw(one.scene), float
            )
        assert np.abs(difference).mean() < 4


def test_pictures_have_the_format_of_their_names(world):
    paths = [path for path in world.rglob("images/*") if path.is_file()]
    formats = {(path.suffix, Image.open(path).format) for path in paths}
    assert formats == {(".jpg", "JPEG"), (".png", "PNG")}


def test_the_same_scenes_and_seed_give_the_same_bytes(tmp_path):
    scenes = held_out_scenes(count=200)
    worlds = [build_world(tmp_path / name, scenes, seed=3) for name in ("one", "two")]
    files = [sorted(p.relative_to(w) for p in w.rglob("*") if p.is_file()) for w in worlds]
    assert files[0] == files[1]
    assert all((worlds[0] / p).read_bytes() == (worlds[1] / p).read_bytes() for p in files[0])


def test_another_seed_asks_other_questions(tmp_path):
    scenes = held_out_scenes(count=200)
    texts = [
        [
            one.text
            for one in read_asked(build_world(tmp_path / str(seed), scenes, seed) / "benchmarks")
        ]
        for seed in (1, 2)
    ]
    assert texts[0] != texts[1]


def test_halbench_has_one_of_eight_prompts_and_knows_the_objects_of_each_picture(samples, asked):
    rows = samples["object_halbench"]
    assert {sample.question for sample in rows} == set(CAPTION_PROMPTS)
    for sample in rows:
        assert sample.reference["present"] == asked["object_halbench", sample.id].scene.names


def test_boxes_enclose_what_is_drawn():
    """Two small dogs: 10 pixels each with 2 between, so columns 25 to 47 of rows 7 to 17."""
    boxes = [tuple(row["bbox"]) for row in _instances(SCENE)]
    assert boxes == [(25, 7, 10, 10), (37, 7, 10, 10), (50, 50, 20, 20)]
    categories = [row["category_id"] for row in _instances(SCENE)]
    assert categories == [CATEGORIES["dog"], CATEGORIES["dog"], CATEGORIES["bed"]]
    red = np.asarray(draw(SCENE)).astype(int)[:, :, 0] > 200
    outside = red[:24].copy()
    for left, top, width, height in boxes[:2]:
        outside[top : top + height, left : left + width] = False
    assert red[:24].any()
    assert not outside.any()


def test_amber_counts_by_type(samples):
    counts = Counter(sample.category for sample in samples["amber"])
    assert counts["generative"] == 150
    assert counts["discriminative-attribute-state"] == 300
    assert counts["discriminative-attribute-number"] == 150
    assert counts["discriminative-attribute-action"] > 40
    assert counts["discriminative-hallucination"] == 300
    assert 800 <= len(samples["amber"]) - 150 <= 1000


def test_amber_truths_are_balanced_where_the_published_ones_are(samples):
    truths = Counter((s.category, s.reference["truth"]) for s in samples["amber"][150:])
    for part in ("state", "number", "action"):
        yes, no = (truths[f"discriminative-attribute-{part}", truth] for truth in ("yes", "no"))
        assert 0.35 < yes / (yes + no) < 0.65
    for kind, truth in (
        ("discriminative-hallucination", "yes"),
        ("discriminative-relation", "no"),
        ("relation", "yes"),
    ):
        assert truths[kind, truth] == 0
    assert truths["discriminative-relation", "yes"] > 40
    assert truths["relation", "no"] > 40


def test_amber_asks_for_the_missing_companion_often(samples, asked):
    existence = [s for s in samples["amber"] if s.category == "discriminative-hallucination"]
    scenes = [asked["amber", sample.id] for sample in existence]
    lacking = [one for one in scenes if one.scene.companion not in one.scene.names]
    companions = sum(one.questions[0].about == (one.scene.companion,) for one in lacking)
    assert companions / len(lacking) > 0.3


def test_amber_expects_the_rest_of_the_group():
    assert likely(SCENE) == ["frisbee", "kite", "bench"]


def test_mmhal_types_follow_the_index_on_twelve_topics(samples, asked):
    assert [sample.category for sample in samples["mmhal"]] == list(TYPES) * 12
    adversarial = [asked["mmhal", index] for index in range(1, 96, 8)]
    assert all(not one.scene.names & set(one.questions[0].about) for one in adversarial)


def test_llava_bench_has_the_published_categories_and_no_question_twice(samples):
    rows = samples["llava_bench"]
    assert Counter(s.category for s in rows) == {"conv": 17, "detail": 15, "complex": 28}
    assert len({s.image for s in rows}) == 24
    assert len({(s.image, s.question) for s in rows}) == 60


def test_mm_vet_has_the_published_sets_of_capabilities(samples):
    counts = Counter(sample.category for sample in samples["mm_vet"])
    assert counts == {"_".join(sorted(names)): count for names, (count, _) in SETS.items()}
    single = Counter(name for s in samples["mm_vet"] for name in s.reference["capabilities"])
    assert single == {"rec": 150, "ocr": 96, "know": 84, "gen": 80, "spat": 75, "math": 26}


def test_requests_to_the_judge_hold_question_and_answer(samples):
    for name in ("object_halbench", "mmhal", "llava_bench", "mm_vet"):
        sample = samples[name][0]
        request = load_benchmark(name).request(sample, Response(sample.id, "A strange {answer}."))
        assert sample.question in request
        assert "A strange {answer}." in request


def test_asked_survives_json():
    (scene, questions) = ask_first([language.ocr], [SCENE], np.random.default_rng(0))
    one = Asked("mm_vet", "v1_0", scene, questions)
    assert asked_from_json(one.to_json()) == one


def test_a_question_that_no_scene_allows_is_an_error():
    with pytest.raises(ConfigError, match="arithmetic"):
        ask_first([language.arithmetic], [SCENE], np.random.default_rng(0))


def test_an_answer_that_a_scene_never_gives_is_given_up():
    rng = np.random.default_rng(0)
    assert ask_for(language.state, SCENE, rng, "Perhaps") is None
    assert ask_for(language.action, SCENE, rng, "Yes") is None
