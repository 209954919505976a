"""A whole run of a method with a fault: the user reads one sentence, the log keeps the rest."""

import textwrap

import pytest

from harness.errors import TrainingError
from harness.training.launch import train
from harness.training.process import LOG_FILE

pytestmark = pytest.mark.processes

MINE = """
from methods.logps import reward_gap
from methods.types import Method, MethodConfig, NoState


def loss(batch, config, state, context):
    return reward_gap(batch).reshape(7)


METHOD = Method(
    name="faulty",
    config=MethodConfig,
    loss=loss,
    init_state=lambda config: NoState(),
    source="",
)
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The method in a package of its own, which other processes see as well."""
    info = tmp_path / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.methods]\nfaulty = faulty_method:METHOD\n")
    file = tmp_path / "faulty_method.py"
    file.write_text(textwrap.dedent(MINE).lstrip())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return file


def test_an_exception_of_the_loss_is_told_in_a_sentence_and_logged_whole(make_run, installed):
    run, spec = make_run("faulty")
    with pytest.raises(TrainingError) as raised:
        train(run, spec)
    said = str(raised.value)
    assert said == (
        "faulty: its loss raised RuntimeError: shape '[7]' is invalid for input of size 4 "
        f"({installed}, line 6). Mend it; the same command continues."
    )
    log = (run.logs / LOG_FILE).read_text()
    assert "Traceback (most recent call last)" in log
    assert "reward_gap(batch).reshape(7)" in log
