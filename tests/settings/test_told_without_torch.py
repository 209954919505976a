"""What is wrong with a request, or finished, is told without importing torch."""

import os
import subprocess
import sys

import pytest
from lab import Lab

from harness.errors import ConfigError
from harness.registry import load_method
from harness.settings import resolve as resolving
from harness.settings.preset_files import read_preset
from harness.settings.resolve import resolve
from harness.settings.written import written_config
from methods.catalog import BUILTIN

WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
from harness.__main__ import main
main()
"""
ROWS = [
    (method, size, variant)
    for method in BUILTIN
    for size in ("tiny", "7b")
    for variant in (None, *read_preset(method, size).variants)
]


def called(cache, *words, code=WITHOUT):
    command = [sys.executable, "-c", code, "reproduce", "--method", "dpo", *words]
    environment = os.environ | {"HARNESS_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("data.preferences=nowhere.parquet", "nowhere.parquet: there is no such file"),
        ("model.path=nowhere", "model nowhere: no such folder"),
        ("evaluation.benchmarks=[ambar]", "unknown 'ambar'. Did you mean 'amber'?"),
    ],
)
def test_what_is_not_there_is_told_from_an_empty_cache(tmp_path, words, told):
    done = called(tmp_path / "cache", "--set", words, "--out", str(tmp_path / "out"))
    assert done.returncode == 1, done.stderr
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_finished_run_is_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    lab = Lab(tmp_path / "lab")
    lab.finish(lab.run(), 3.0)
    inputs = (
        f"model.path={lab.model}",
        f"data.preferences={lab.pairs}",
        f"evaluation.data={lab.data}",
        "evaluation.benchmarks=[mm_vet]",
        f"evaluation.judge=replay:{lab.replies}",
        "data.hardness.clip=local-dir:none",
    )
    words = [word for one in inputs for word in ("--set", one)] + ["--out", str(lab.out)]
    first = called(tmp_path / "cache", *words, code="from harness.__main__ import main; main()")
    again = called(tmp_path / "cache", *words)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert again.stdout == first.stdout
    assert "MM-Vet" in again.stdout


@pytest.mark.parametrize(("method", "size", "variant"), ROWS)
def test_presets_hold_all_values_of_a_method(method, size, variant):
    """So they stand for its configuration; only the method says what devices change."""
    config = written_config(method, size, variant, ())
    quick = resolve(method, size, variant, config=config).spec
    full = resolve(method, size, variant).spec
    assert quick.model_copy(update={"per_device": full.per_device}) == full
    assert {key: repr(value) for key, value in quick.config.items()} == {
        key: repr(value) for key, value in full.config.items()
    }


def test_words_are_resolved_once_while_nothing_that_decides_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    words = ("dama", "tiny", "released", ["method.beta=0.2"])
    first = resolve(*words, seed=1)

    def refuse(_):
        raise AssertionError("the method is imported")

    monkeypatch.setattr(resolving.registry, "load_method", refuse)
    assert resolve(*words, seed=1) == first
    assert first.spec.per_device
    assert first.origins["method.beta"].source == "--set"
    other = resolve(*words[:3], [*words[3], "evaluation.judge=openai:another"], seed=2)
    assert (other.spec.seed, other.spec.evaluation.judge) == (2, "openai:another")
    assert other.spec.config == first.spec.config
    with pytest.raises(AssertionError, match="is imported"):
        resolve(*words[:3], ["method.beta=0.3"], seed=1)
    changed = tmp_path / "dama.py"
    changed.write_text("")
    monkeypatch.setattr(resolving, "source_files", lambda _: {"methods.dama": changed})
    with pytest.raises(AssertionError, match="is imported"):
        resolve(*words, seed=1)


def test_what_is_remembered_is_what_the_method_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    asked = resolving._Asked("dpo", "tiny", None, ("method.beta=0.5",), 0, 0, None, {})
    direct = resolving._resolved(asked, load_method("dpo").config)
    for _ in range(2):
        found = resolve("dpo", "tiny", None, ["method.beta=0.5"])
        assert found.spec == direct.spec
        assert dict(found.origins) == dict(direct.origins)


def test_everything_that_is_wrong_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    for good in ((), ("method.beta=0.5",)):
        resolve("dpo", "tiny", None, good)
        wrong = ["method.beta=-1", "training.epochs=-2", "evaluation.benchmarks=[ambar]"]
        with pytest.raises(ConfigError) as told:
            resolve("dpo", "tiny", None, wrong)
        assert "method.beta" in str(told.value)
        assert "training.epochs" in str(told.value)
