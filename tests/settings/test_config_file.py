"""`--config FILE`: the keys of `--set` in a file."""

from pathlib import Path

import pytest

from harness.commands.options.runs import completed
from harness.errors import ConfigError
from harness.settings.overrides import read_config
from harness.settings.request import Request
from harness.settings.resolve import specs_of

DPO = Request(method="dpo")


def written(folder: Path, text: str) -> Path:
    file = folder / "paper.yaml"
    file.write_text(text, "utf-8")
    return file


def test_a_file_is_the_same_specification_as_its_settings(tmp_path: Path) -> None:
    file = written(tmp_path, "method.beta: 0.2\ntraining.learning_rate: 1e-6\n")
    typed = ("method.beta=0.2", "training.learning_rate=1e-6")
    asked = DPO.model_copy(update={"overrides": typed})
    assert specs_of(completed(DPO, None, None, file)) == specs_of(asked) != specs_of(DPO)


def test_set_wins_over_the_file(tmp_path: Path) -> None:
    asked = DPO.model_copy(update={"overrides": ("method.beta=0.3",)})
    (spec,) = specs_of(completed(asked, None, None, written(tmp_path, "method.beta: 0.2\n")))
    assert spec.config["beta"] == 0.3


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "method.betta: 0.2\n")
    with pytest.raises(ConfigError, match=r"unknown key 'method\.betta'"):
        specs_of(completed(DPO, None, None, file))


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "method.beta: 2020-01-01\n"])
def test_what_is_no_mapping_of_plain_values_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="--config"):
        read_config(written(tmp_path, text))
