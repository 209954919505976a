"""A model comes from a folder, a mirror or the hub, and is the published one or none."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import world_fixture
from hub_server import Hub

from harness.errors import DataError
from harness.files.hub_names import MIRROR
from harness.models.sources import find, located_model, model_folder
from harness.settings.spec import ModelSpec

NAME = "llava-hf/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ASK = """
import sys, json
from harness.errors import HarnessError
from harness.models.sources import located_model
from harness.settings.spec import ModelSpec
try:
    found = located_model(ModelSpec.model_validate(json.loads(sys.argv[1])))
    print(json.dumps([str(part) for part in found]))
except HarnessError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return world_fixture.write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def published(base, tmp_path):
    folder = tmp_path / "published" / NAME
    shutil.copytree(base, folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle that nobody needs")
    (folder / "run_me.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def hub(published):
    server = Hub({NAME: published}, COMMIT)
    yield server
    server.close()


@pytest.fixture
def ask(tmp_path):
    """Ask in a process of its own: the hub's library reads its settings when it is imported."""

    def asked(url: str, offline: bool = False, **model: str):
        env = os.environ | {
            "HF_ENDPOINT": url,
            "HF_HOME": str(tmp_path / "hf"),
            "HARNESS_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "1" if offline else "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        spec = json.dumps({"path": NAME, **model})
        done = subprocess.run(
            [sys.executable, "-c", ASK, spec], env=env, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return asked


def test_a_folder_is_used_as_it_is(base):
    found = located_model(ModelSpec(path=str(base)))
    assert found == (base, "folder", None, "sizes only")


def test_every_problem_of_a_folder_is_in_the_error(base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    (folder / "processor_config.json").unlink()
    with pytest.raises(DataError, match=r"cannot be used:\n- .*tokenizer.json.*\n- .*processor"):
        model_folder(ModelSpec(path=str(folder)))


def test_a_mirror_stands_for_the_hub(published, tmp_path, monkeypatch):
    monkeypatch.setenv(MIRROR, str(tmp_path / "published"))
    assert located_model(ModelSpec(path=NAME, revision="abc"))[:2] == (published, "mirror")
    with pytest.raises(DataError, match=f"{MIRROR} is set, and there is no folder .*other/model"):
        find("other/model")


@pytest.mark.parametrize("path", ["no_folder", "./a/b", "/a/b/c", "owner/name@main"])
def test_what_is_neither_folder_nor_name_is_refused(path):
    with pytest.raises(DataError, match=r"there is no such folder\. Set model\.path"):
        find(path)


def test_the_hub_gives_its_newest_commit_and_is_compared_once(hub, ask, tmp_path):
    """Pickles and code stay where they are; a second call needs no hashes, a third no hub."""
    folder, origin, revision, checked = ask(hub.url)
    assert (origin, revision, checked) == ("hub", COMMIT, "hashes of the hub")
    assert not {"pytorch_model.bin", "run_me.py"} & set(os.listdir(folder))
    assert any("/tree/" in request for request in hub.requests)
    hub.requests.clear()
    assert ask(hub.url)[0] == folder
    assert not any("/tree/" in request for request in hub.requests)
    assert ask("http://127.0.0.1:9", offline=True)[2:] == [COMMIT, "hashes of the hub"]


def test_a_revision_is_asked_for(hub, ask):
    """A name such as a tag is turned into the commit that it stands for."""
    assert ask(hub.url, revision="v1.0")[2] == COMMIT
    assert any("/v1.0" in request for request in hub.requests)


def test_a_file_with_another_hash_is_refused(hub, ask):
    hub.wrong.add("model.safetensors")
    told = ask(hub.url)
    assert "not the published ones" in told
    assert "(model.safetensors): sha256" in told
    assert f"hf download {NAME} --revision {COMMIT}" in told


def test_a_file_damaged_in_the_hubs_cache_is_found_without_network(hub, ask):
    folder = ask(hub.url)[0]
    with open(f"{folder}/model.safetensors", "r+b") as file:
        file.truncate(1000)
    told = ask("http://127.0.0.1:9", offline=True)
    assert "model.safetensors: it " in told
    assert f"hf download {NAME}" in told


def test_without_network_and_cache_the_error_says_how_to_get_the_model(ask):
    told = ask("http://127.0.0.1:9", offline=True)
    assert f"hf download {NAME}" in told
    assert MIRROR in told
    assert "HF_ENDPOINT" in told


def test_a_model_that_the_hub_does_not_have_is_named(hub, ask):
    assert "llava-hf/no-such: no such folder" in ask(hub.url, path="llava-hf/no-such")
