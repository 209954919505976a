"""An ablation table is made of ordinary runs."""

import sys
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.reproduce.reproduce import reproduce
from harness.settings.ablation import ablation_rows
from harness.settings.preset_files import read_file
from harness.settings.request import Request
from harness.settings.resolve import resolve


def rows(**asked):
    return {row.label: row for row in ablation_rows(Request(method="dama", **asked))}


def test_damas_rows_come_in_their_order_with_every_seed():
    table = rows(seeds=(0, 2))
    assert list(table) == ["dpo", "+data", "+model", "both"]
    assert {tuple(spec.seed for spec in row.specs) for row in table.values()} == {(0, 2)}


def test_each_row_is_the_run_that_its_own_command_would_make():
    """So nothing that is finished already is computed again."""
    table = rows(seeds=(1,))
    commands = {
        "dpo": ("dpo", []),
        "+data": ("dama", ["method.model_aware=false", "method.keep=1.0"]),
        "+model": ("dama", ["method.data_aware=false"]),
        "both": ("dama", []),
    }
    for label, (method, overrides) in commands.items():
        own = resolve(method, "tiny", overrides=overrides, seed=1).spec
        assert [spec.digest() for spec in table[label].specs] == [own.digest()]


def test_a_row_lies_above_the_variant_and_below_what_is_set():
    table = rows(variant="released", overrides=("method.beta=0.2", "method.min_beta=0.01"))
    configs = {label: row.specs[0].config for label, row in table.items()}
    assert {config["beta"] for config in configs.values()} == {0.2}
    assert "min_beta" not in configs["dpo"]
    assert configs["+data"]["min_beta"] == 0.01
    assert (configs["+data"]["keep"], configs["+data"]["drop_unselected"]) == (1.0, True)
    assert table["dpo"].specs[0].variant is None
    assert table["both"].specs[0].variant == "released"


def test_a_mistyped_value_is_told_and_not_left_out():
    with pytest.raises(ConfigError, match=r"Did you mean 'method\.min_beta'"):
        rows(overrides=("method.min_bta=0.1",))


def test_a_method_without_ablations_says_so():
    with pytest.raises(ConfigError, match="preset of dpo at size tiny declares no ablations"):
        ablation_rows(Request(method="dpo", ablate=True))


def test_a_dry_run_shows_every_row_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    reproduce(Request(method="dama", ablate=True, dry_run=True, seeds=(0, 1), out=out))
    shown = capsys.readouterr().out
    for text in ("+data", "method.model_aware=false", "both", "dpo seed 1", "open questions"):
        assert text in shown
    assert not out.exists()


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "row_presets", raising=False)
    folder = tmp_path / "row_presets"
    folder.mkdir()
    (folder / "__init__.py").touch()
    return folder


def test_a_row_is_a_method_or_values_but_not_both(presets):
    leaf = "{value: 1, source: here}"
    (presets / "one.yaml").write_text(
        f"ablations: {{a: {{method: {leaf}}}, b: {{method: {{k: {leaf}}}}}, c: {{}}}}\n"
    )
    ablations = read_file("one", "row_presets").ablations
    assert list(ablations) == ["a", "b", "c"]
    assert ablations["a"].method.value == 1
    assert list(ablations["b"].values) == ["method.k"]
    (presets / "two.yaml").write_text(
        f"ablations: {{a: {{method: {leaf}, training: {{k: {leaf}}}}}}}\n"
    )
    with pytest.raises(ConfigError, match="preset two, ablation a: give another method or other"):
        read_file("two", "row_presets")


def test_of_several_files_that_one_extends_the_first_lies_highest(presets):
    leaf = "{{value: {0}, source: here}}"
    for name in ("high", "low"):
        (presets / f"{name}.yaml").write_text(
            f"method: {{a: {leaf.format(name)}}}\nopen_questions: [of {name}, of both]\n"
        )
    (presets / "own.yaml").write_text("extends: [high, low]\nopen_questions: [of own]\n")
    preset = read_file("own", "row_presets")
    assert preset.values["method.a"].value == "high"
    assert preset.open_questions == ("of low", "of both", "of high", "of own")


def test_open_questions_are_texts(presets):
    (presets / "one.yaml").write_text("open_questions: [{value: 1}]\n")
    with pytest.raises(ConfigError, match="preset one: write open_questions as a list of texts"):
        read_file("one", "row_presets")
