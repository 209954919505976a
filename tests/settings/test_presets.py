"""A value comes from the highest layer that gives it, and says so."""

import sys
from pathlib import Path

import pytest

from harness import registry
from harness.errors import ConfigError
from harness.settings.preset_files import read_file, read_preset, sizes
from harness.settings.resolve import resolve
from harness.settings.spec import UNNAMED

EVERY = [
    (method, size, variant)
    for method in ("dama", "dpo", "rlhf_v")
    for size in sizes(method)
    for variant in (None, *read_preset(method, size).variants)
]


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package `own_presets` to write presets into."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_presets", raising=False)
    folder = tmp_path / "own_presets"
    folder.mkdir()
    (folder / "__init__.py").touch()
    return folder


@pytest.mark.parametrize(("method", "size", "variant"), EVERY, ids=str)
def test_every_shipped_preset_is_a_valid_run(method: str, size: str, variant: str | None):
    resolved = resolve(method, size, variant)
    assert (resolved.spec.method, resolved.spec.size) == (method, size)
    config = registry.load_method(method).config
    assert config.model_validate(resolved.spec.config)
    assert all(origin.source for origin in resolved.origins.values())


def test_shipped_presets_leave_nothing_published_to_a_default():
    """What a reader may ask for stands in the preset; only optional fields may be left out."""
    origins = resolve("dama", "7b").origins
    left = {key for key, origin in origins.items() if origin.source.startswith("default: ")}
    assert left <= {
        "model.revision",
        "evaluation.max_new_tokens",
        "evaluation.judge_runs",
        "evaluation.judge_profile",
        "evaluation.guard",
        "evaluation.guard_tasks",
        "data.max_bad_rows",
        "data.format",
        "data.order",
        "data.order_column",
        "data.hardness.splitter_model",
        "data.hardness.unscored",
        "data.hardness.margin_k",
        "model.lora_rank",
        "model.lora_alpha",
        *(f"training.{name}" for name in UNNAMED),
    }


def test_an_unknown_variant_is_answered_with_the_names_there_are():
    with pytest.raises(ConfigError, match=r"'relesed'\. Did you mean 'released'\? Known: paper, "):
        resolve("dama", "tiny", "relesed")
    with pytest.raises(ConfigError, match=r"Unknown variant 'paper'\. Known: none"):
        resolve("dpo", "tiny", "paper")


def test_layers_hide_each_other_from_the_preset_up_to_the_override():
    """min_beta of DAMA: 0 in Algorithm 1, 1e-3 in the released code, 0.5 when asked for."""
    values = [
        resolve("dama", "7b").origins["method.min_beta"].value,
        resolve("dama", "7b", "released").origins["method.min_beta"].value,
        resolve("dama", "7b", "released", ["method.min_beta=0.5"]).spec.config["min_beta"],
    ]
    assert values == [0.0, 1e-3, 0.5]


def test_the_last_of_two_equal_overrides_counts():
    spec = resolve("dpo", "tiny", overrides=["method.beta=0.2", "method.beta=0.3"]).spec
    assert spec.config["beta"] == 0.3


def test_a_method_s_values_have_one_name():
    with pytest.raises(ConfigError, match=r"--set: unknown key 'config.beta'. Known: method"):
        resolve("dpo", "tiny", overrides=["config.beta=5e-1"])


def test_a_flag_names_itself_as_origin():
    resolved = resolve("dpo", "tiny", devices=2, seed=7)
    assert resolved.spec.training.devices == 2
    assert resolved.origins["training.devices"].source == "--devices"
    assert resolved.spec.seed == 7


def test_runs_of_different_values_have_different_digests():
    digests = {
        resolve("dpo", "tiny", seed=seed, overrides=[f"method.beta={beta}"]).spec.digest()
        for seed in (0, 1)
        for beta in (0.1, 0.2)
    }
    assert len(digests) == 4


def test_equal_values_written_differently_are_the_same_run():
    one, other = (
        resolve("dpo", "tiny", overrides=[f"training.learning_rate={text}"]).spec
        for text in ("5e-4", "0.0005")
    )
    assert one.digest() == other.digest()


def test_all_wrong_values_are_told_together_with_their_origins():
    with pytest.raises(ConfigError) as caught:
        resolve(
            "dama",
            "tiny",
            overrides=["method.beta=-1", "training.epochs=many", "method.mean_clip_gap=[1]"],
        )
    told = str(caught.value)
    assert "method.beta = -1 (--set): Input should be greater than 0" in told
    assert "training.epochs = 'many' (--set): " in told
    assert told.count("method.mean_clip_gap") == 1


def test_an_unknown_benchmark_gets_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown 'ambr'\. Did you mean 'amber'\?"):
        resolve("dpo", "tiny", overrides=["evaluation.benchmarks=[ambr]"])


def test_a_preset_lies_above_what_it_extends_and_below_its_variants(presets: Path):
    leaf = "{{value: {}, source: here}}"
    (presets / "low.yaml").write_text(
        f"method: {{a: {leaf.format(1)}, b: {leaf.format(1)}}}\n"
        f"variants: {{other: {{method: {{b: {leaf.format(4)}}}}}}}\n"
    )
    (presets / "high.yaml").write_text(f"extends: low\nmethod: {{b: {leaf.format(2)}}}\n")
    preset = read_file("high", "own_presets")
    assert {key: origin.value for key, origin in preset.values.items()} == {
        "method.a": 1,
        "method.b": 2,
    }
    assert preset.variants["other"]["method.b"].value == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method: {beta: 0.1}", "write method.beta as {value: ..., source: ...}"),
        ("method: {beta: {value: 0.1}}", "method.beta needs a value and its source"),
        ("method: {beta: {value: 0.1, source: ''}}", "method.beta needs a value and its source"),
        ("methd: {beta: {value: 0.1, source: x}}", "Did you mean 'method'?"),
        ("extends: one", "Presets extend each other in a circle: one -> one."),
        ("extends: two", "There is no preset 'two' in own_presets, which 'one' extends."),
        ("method: [", "own_presets/one.yaml is not YAML"),
        ("just text", "own_presets/one.yaml has no sections"),
    ],
)
def test_a_file_that_is_no_preset_is_told_where_and_why(presets: Path, text: str, told: str):
    (presets / "one.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_file("one", "own_presets")
    assert told in str(caught.value)
