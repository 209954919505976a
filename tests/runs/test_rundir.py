"""A run folder belongs to one specification and to one process at a time."""

from pathlib import Path

import pytest
import yaml

from harness.errors import ConfigError, DataError
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.runs.rundir import RunDir, run_name
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec

SPEC = resolve("dpo", "tiny", seed=3).spec


def opened(root: Path, spec: RunSpec) -> RunDir:
    run = RunDir(root / run_name(spec))
    run.open(spec)
    return run


def test_the_name_tells_method_variant_size_and_seed(tmp_path: Path):
    spec = resolve("dama", "tiny", "released", seed=2).spec
    run = opened(tmp_path, spec)
    assert run.path.name == f"dama-released-tiny-seed2-{spec.digest()}"


def test_opening_twice_is_the_same_folder_and_leaves_the_file_alone(tmp_path: Path):
    first = opened(tmp_path, SPEC)
    written = first.spec_file.stat().st_mtime_ns
    assert opened(tmp_path, SPEC) == first
    assert first.spec_file.stat().st_mtime_ns == written


def test_the_specification_is_read_back_as_it_was(tmp_path: Path):
    spec = resolve("dama", "13b", "released", ["training.learning_rate=3.3e-7"]).spec
    assert opened(tmp_path, spec).read_spec() == spec


def test_a_changed_run_file_is_refused_and_its_differences_are_told(tmp_path: Path):
    run = opened(tmp_path, SPEC)
    content = yaml.safe_load(run.spec_file.read_text())
    content["training"]["epochs"] = 99.0
    run.spec_file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, SPEC)
    assert f"training.epochs: 99.0 there, {SPEC.training.epochs} asked for" in str(caught.value)
    assert yaml.safe_load(run.spec_file.read_text()) == content, "nothing is overwritten"


def test_the_values_of_the_method_stand_below_its_name(tmp_path: Path):
    content = yaml.safe_load(opened(tmp_path, SPEC).spec_file.read_text())
    assert content["method"] == {"name": "dpo", **SPEC.config}
    assert "config" not in content


def test_a_run_folder_of_an_earlier_version_is_read(tmp_path: Path):
    """There `method` was the name alone, and `config` held the values."""
    run = opened(tmp_path, SPEC)
    run.spec_file.write_text(yaml.safe_dump(SPEC.model_dump(mode="json")))
    assert "config:" in run.spec_file.read_text()
    assert opened(tmp_path, SPEC).read_spec() == SPEC


def test_a_difference_in_the_method_s_values_has_the_name_that_users_set(tmp_path: Path):
    run = opened(tmp_path, SPEC)
    other = resolve("dpo", "tiny", seed=3, overrides=["method.beta=0.7"]).spec
    run.spec_file.write_text(yaml.safe_dump(other.as_file()))
    with pytest.raises(ConfigError, match=r"method\.beta: 0\.7 there, 0\.1 asked for"):
        opened(tmp_path, SPEC)


@pytest.mark.parametrize("text", ["", "a: [", "method: dpo"], ids=["empty", "broken", "partial"])
def test_a_damaged_run_file_is_told(tmp_path: Path, text: str):
    run = opened(tmp_path, SPEC)
    run.spec_file.write_text(text)
    with pytest.raises(DataError, match="cannot be read as a run"):
        opened(tmp_path, SPEC)


def test_every_place_of_a_run_lies_in_its_folder(tmp_path: Path):
    run = RunDir(tmp_path)
    names = [name for name, value in vars(RunDir).items() if isinstance(value, property)]
    assert len(names) == 14
    places = [getattr(run, name) for name in names]
    assert {place.parent for place in places} == {tmp_path}
    assert len(set(places)) == len(places)


def test_a_write_that_fails_leaves_the_old_text_and_no_rest(tmp_path: Path):
    file = tmp_path / "file"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_cache_moves_with_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert cache_dir() == tmp_path / "cache"
    assert cache_dir().is_dir()


def test_specifications_survive_yaml_for_all_presets():
    for method in ("dpo", "rlhf_v", "dama"):
        spec = resolve(method, "7b").spec
        text = yaml.safe_dump(spec.model_dump(mode="json"))
        assert RunSpec.model_validate(yaml.safe_load(text)).digest() == spec.digest()
