import re
from importlib import import_module, resources

import pytest
import yaml

from harness.settings.preset_files import read_preset
from harness.settings.resolve import resolve
from methods.catalog import BUILTIN
from methods.presets import SOURCES

FILES = sorted(
    file.name for file in resources.files("methods.presets").iterdir() if file.suffix == ".yaml"
)
SIZES = ("tiny", "7b", "13b")


def read(name):
    return yaml.safe_load(resources.files("methods.presets").joinpath(name).read_text("utf-8"))


def leaves(node):
    if "value" in node:
        yield node
        return
    for below in node.values():
        yield from leaves(below)


def config_of(method):
    module, attribute = BUILTIN[method].split(":")
    return getattr(import_module(module), attribute).config


@pytest.mark.parametrize("name", FILES)
def test_every_value_names_its_source(name):
    tree = read(name)
    for key in ("extends", "default_variant", "open_questions", "claims"):
        tree.pop(key, None)
    for leaf in leaves(tree):
        assert set(leaf) == {"value", "source"}
        assert len(leaf["source"]) > 5


@pytest.mark.parametrize("method", BUILTIN)
@pytest.mark.parametrize("size", SIZES)
def test_presets_give_every_field_of_the_configuration(method, size):
    values = read_preset(method, size).values
    given = {
        name.removeprefix("method."): origin.value
        for name, origin in values.items()
        if name.startswith("method.")
    }
    assert set(given) == set(config_of(method).model_fields)
    config_of(method)(**given)


@pytest.mark.parametrize("method", ["rlhf_v", "dama"])
@pytest.mark.parametrize("size", SIZES)
def test_the_default_configuration_is_the_papers_and_released_departs_from_it(method, size):
    config = config_of(method)
    assert config(**resolve(method, size).spec.config) == config()
    assert config(**resolve(method, size, "released").spec.config) != config()


@pytest.mark.parametrize("method", ["rlhf_v", "dama"])
def test_the_papers_variant_is_the_default_by_name(method):
    named, plain = resolve(method, "7b", "paper"), resolve(method, "7b")
    assert named == plain
    assert named.spec.digest() == plain.spec.digest()


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_rlhf_v_as_in_the_paper_and_as_released(size):
    """The paper: beta 0.5, gamma 5, 1/N, 7 epochs of 32. The command: 0.1, 1.1, no 1/N, batch 8."""

    def published(variant):
        spec = resolve("rlhf_v", size, variant).spec
        config, training = spec.config, spec.training
        assert spec.data.preferences == "openbmb/RLHF-V-Dataset"
        assert training.learning_rate == 5e-7
        return (
            *(config[name] for name in ("beta", "gamma", "normalise", "segments")),
            *(training.epochs, training.batch_pairs, training.warmup_ratio),
        )

    assert published("paper") == (0.5, 5.0, True, "paper", 7, 32, 0.1)
    assert published("released") == (0.1, 1.1, False, "released", 3, 8, 0.03)


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_the_methods_train_on_the_rows_that_llava_answered_and_rlhf_v_on_its_own(size):
    def pairs(method, variant=None):
        data = resolve(method, size, variant).spec.data
        return data.preferences, data.where, data.expected_pairs

    of_llava = ("openbmb/RLAIF-V-Dataset", {"model": "*llava*"}, "20000-24000")
    assert pairs("dpo") == pairs("dama") == pairs("dama", "released") == of_llava
    assert pairs("rlhf_v", "22k") == of_llava
    own = ("openbmb/RLHF-V-Dataset", {}, None)
    assert pairs("rlhf_v") == pairs("rlhf_v", "released") == own


@pytest.mark.parametrize("method", BUILTIN)
def test_the_variants_of_a_method_are_the_same_at_every_size(method):
    names = read_preset(method, "tiny").variants
    for name in names:
        values = [
            {
                key: origin
                for key, origin in read_preset(method, size).variants[name].items()
                if key.startswith("method.")
            }
            for size in SIZES
        ]
        assert values[0] == values[1] == values[2]


@pytest.mark.parametrize("method", BUILTIN)
def test_real_sizes_say_what_no_source_settles(method):
    small, large = (read_preset(method, size).open_questions for size in ("7b", "13b"))
    assert any("22k" in question for question in small)
    assert set(small) < set(large)
    assert len(small) > len(read_preset(method, "tiny").open_questions) > 0


@pytest.mark.parametrize("name", FILES)
def test_short_names_in_sources_stand_for_a_repository(name):
    """A file of a repository is written as NAME:path."""
    tree = read(name)
    for key in ("extends", "default_variant", "open_questions", "claims"):
        tree.pop(key, None)
    for leaf in leaves(tree):
        for short in re.findall(r"\b([A-Z][A-Z0-9]+):\w", leaf["source"]):
            assert short in SOURCES, leaf
