"""A run that needs a column computes it with the settings of its own call."""

import pytest
import world_fixture
from hardness_data import Endpoint, serving, write_clip

from harness.identity.run import Run
from harness.llm.messages import ChatSettings
from harness.reproduce import one_run
from harness.runs.rundir import RunDir
from harness.settings.resolve import resolve
from harness.training import launch


@pytest.fixture
def spec(rows, write, tmp_path, monkeypatch):
    """Return a run of DAMA whose pairs lack the column, split by a model behind an endpoint."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for row in rows:
        del row["clip_gap"]
    (tmp_path / "clip").mkdir()
    overrides = [
        f"data.preferences={write(rows)}",
        f"data.hardness.clip=local-dir:{write_clip(tmp_path / 'clip')}",
        f"model.path={world_fixture.write_base(tmp_path / 'base')}",
        "data.hardness.splitter=endpoint",
        "data.hardness.splitter_model=m",
    ]
    return resolve("dama", "tiny", overrides=overrides).spec


def test_the_splitter_of_a_run_is_asked_at_the_address_and_with_the_key_of_the_call(spec, tmp_path):
    key = tmp_path / "key"
    key.write_text("a-key\n")
    run = RunDir(tmp_path / "run")
    run.open(spec)
    with serving(Endpoint(lambda text: text)) as endpoint:
        launch.prepare(run, spec, ChatSettings(base_url=endpoint.url, key_file=key))
        assert endpoint.asked


def test_a_run_hands_the_settings_of_its_call_to_who_computes_its_columns(
    spec, tmp_path, monkeypatch
):
    handed = []

    def train(folder, spec, launcher, chat):
        handed.append(chat)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "train", train)
    judging = ChatSettings(base_url="http://localhost:1/v1")
    with pytest.raises(KeyboardInterrupt):
        one_run.run_one(Run(spec, spec, tmp_path), judging, launch.LOCAL)
    assert handed == [judging]
