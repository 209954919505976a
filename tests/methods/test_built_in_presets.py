from importlib import import_module, resources

import pytest
import yaml

from methods.catalog import BUILTIN

FILES = sorted(
    file.name for file in resources.files("methods.presets").iterdir() if file.suffix == ".yaml"
)


def read(name):
    return yaml.safe_load(resources.files("methods.presets").joinpath(name).read_text("utf-8"))


def leaves(node):
    if "value" in node:
        yield node
        return
    for below in node.values():
        yield from leaves(below)


@pytest.mark.parametrize("name", FILES)
def test_every_value_names_its_source(name):
    tree = read(name)
    tree.pop("extends", None)
    found = list(leaves(tree))
    assert found
    for leaf in found:
        assert set(leaf) == {"value", "source"}
        assert len(leaf["source"]) > 5


@pytest.mark.parametrize("method", BUILTIN)
@pytest.mark.parametrize("size", ["tiny", "7b", "13b"])
def test_presets_give_every_field_of_the_configuration(method, size):
    module, attribute = BUILTIN[method].split(":")
    config = getattr(import_module(module), attribute).config
    given = read(f"{method}-{size}.yaml")["config"]
    assert set(given) == set(config.model_fields)
    config(**{name: leaf["value"] for name, leaf in given.items()})


@pytest.mark.parametrize("method", ["rlhf_v", "dama"])
def test_the_default_configuration_is_the_papers_and_released_departs_from_it(method):
    module, attribute = BUILTIN[method].split(":")
    config = getattr(import_module(module), attribute).config
    preset = read(f"{method}-7b.yaml")
    paper = {name: leaf["value"] for name, leaf in preset["config"].items()}
    released = {
        name: leaf["value"] for name, leaf in preset["variants"]["released"]["config"].items()
    }
    assert config(**paper) == config()
    assert config(**paper | released) != config()


def test_the_variants_of_a_method_are_the_same_at_every_size():
    for method in ("rlhf_v", "dama"):
        variants = [
            read(f"{method}-{size}.yaml")["variants"]["released"]["config"]
            for size in ("tiny", "7b", "13b")
        ]
        assert variants[0] == variants[1] == variants[2]
