"""Spans decide a training whose method reads them, and only such a training."""

import sys

import pytest
import world_fixture

from harness.data.columns.tokens import token_severity
from harness.errors import MissingColumn
from harness.identity.training import training_identity
from harness.planning.preflight import _checked_pairs
from harness.world.shipped import FOLDER

SOURCE = """
from methods.types import Method, MethodConfig, NoState

METHOD = Method(
    "weighs",
    MethodConfig,
    lambda batch, config, state, context: None,
    lambda config: NoState(),
    "",
    token_columns=frozenset({NAME}),
)
"""


@pytest.fixture
def weighing(lab, tmp_path, monkeypatch):
    """Return a function that names the training of a package's method that reads one column."""

    def named(column):
        site = tmp_path / "site"
        info = site / "weighs-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[harness.methods]\nweighs = made_weighs:METHOD\n")
        (site / "made_weighs.py").write_text(SOURCE.replace("NAME", repr(column)))
        monkeypatch.syspath_prepend(str(site))
        sys.modules.pop("made_weighs", None)
        spec = lab.spec(f"data.hardness.clip=local-dir:{FOLDER / '0' / 'clip'}")
        return spec.model_copy(update={"method": "weighs", "config": {"shuffle": True}})

    yield named
    sys.modules.pop("made_weighs", None)


def give(lab, **spans):
    rows = world_fixture.rows(8)
    for row in rows:
        row |= {"origin_split": '{"errors": 1}', **spans}
    world_fixture.write_rows(lab.pairs, rows)


def test_a_changed_span_is_another_training(lab, weighing):
    give(lab, chosen_severity=[], rejected_severity=[[0, 5, 1.0]])
    spec = weighing("severity")
    before = training_identity(spec)
    assert "hardness" not in before["data"]
    give(lab, chosen_severity=[], rejected_severity=[[0, 5, 1.5]])
    assert training_identity(spec)["data"]["content"] != before["data"]["content"]


def test_what_computes_the_spans_names_a_training(lab, weighing, monkeypatch):
    give(lab)
    spec = weighing("token_severity")
    before = training_identity(spec)
    assert before["data"]["token_columns"]["token_severity"]["token_severity"] == "1"
    monkeypatch.setattr(token_severity, "VERSION", "2")
    assert training_identity(spec) != before


def test_a_method_that_reads_none_is_not_named_by_them(lab):
    give(lab)
    data = training_identity(lab.spec())["data"]
    assert data.keys().isdisjoint({"token_columns", "hardness", "columns"})


def test_spans_that_are_missing_are_told_before_work_starts(lab, weighing):
    """A training of such data has a name, so that it is this that is told."""
    give(lab)
    assert training_identity(weighing("severity"))
    with pytest.raises(MissingColumn, match="of spans, which method 'weighs' needs") as caught:
        _checked_pairs(weighing("severity"), {"weighs"})
    assert "'token_severity', with: python -m harness prepare --columns" in str(caught.value)
