"""A run goes to the hub with a card made from it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from huggingface_hub import constants
from made import Made
from upload_hub import UploadHub
from without_extras import core

from harness.__main__ import main

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "secret" * 5
WEIGHTS = b"weights" * 1000


class Done(NamedTuple):
    code: int | str
    out: str
    err: str


@pytest.fixture
def hub():
    server = UploadHub()
    yield server
    server.close()


@pytest.fixture
def run(tmp_path):
    """A finished run that LoRA trained, of a model and data on the hub."""
    made = Made(tmp_path)
    made.base(grade=0.25)
    folder = made.run("dama", grade=1.0)
    _written(folder, path="llava-hf/llava-1.5-7b-hf", lora_rank=4, revision="b234b804")
    for place, weights in ((folder.model, "model"), (folder.adapter, "adapter_model")):
        place.mkdir()
        (place / f"{weights}.safetensors").write_bytes(weights.encode() + WEIGHTS)
        (place / "config.json").write_text("{}")
    return folder


def _written(folder, **model):
    text = yaml.safe_load(folder.spec_file.read_text())
    text["model"] |= model
    text["data"]["preferences"] = "openbmb/RLAIF-V-Dataset + /home/somebody/more.jsonl"
    folder.spec_file.write_text(yaml.safe_dump(text))


@pytest.fixture
def push(run, hub, monkeypatch, capsys):
    """Run the command in this process, with this hub for the hub."""
    for name, value in {"ENDPOINT": hub.url, "HF_HUB_OFFLINE": False}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["harness", "push", str(run.path), *words])
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return command


def test_a_dry_run_prints_the_card_and_the_files_and_asks_nobody(run, hub, push):
    done = push("--dry-run", "--repo", "me/llava-dama", "--license", "llama2")
    assert done.code == 0, done.err
    _, front, card = done.out.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["alignment-harness", "dama"],
        "license": "llama2",
        "base_model": "llava-hf/llava-1.5-7b-hf",
        "base_model_relation": "finetune",
        "datasets": ["openbmb/RLAIF-V-Dataset"],
    }
    assert 'from_pretrained("me/llava-dama")' in card
    assert "100.0" in card.partition("## Numbers")[2]
    assert "revision b234b804" in card
    assert "local files" in card
    assert "somebody" not in done.out
    listed = [line.split() for line in done.err.splitlines()]
    assert {name for size, name, *_ in listed if size[0].isdigit()} == {
        *("README.md", "config.json", "model.safetensors", "alignment-harness.json")
    }
    assert hub.requests == []


def test_all_files_become_one_commit_and_nothing_new_makes_none(run, hub, push):
    done = push("--private")
    assert done.code == 0, done.err
    name = f"me/{run.path.name}"
    assert done.out == f"{hub.url}/{name}\n"
    assert hub.private == {name: True}
    assert hub.files["model.safetensors"] == b"model" + WEIGHTS
    assert f'from_pretrained("{name}")'.encode() in hub.files["README.md"]
    assert json.loads(hub.files["alignment-harness.json"])["identity"]["seed"] == 0
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert push("--private").code == 0
    assert hub.commits == 1


def test_after_a_failure_what_was_sent_is_not_sent_again(run, hub, push):
    hub.broken = (f"/api/models/me/{run.path.name}/commit",)
    failed = push()
    assert (failed.code, failed.out) == (1, "")
    assert "is not published" in failed.err
    assert TOKEN not in failed.err
    assert "Traceback" not in failed.err
    hub.broken = ()
    assert push().code == 0
    assert sum(line.startswith("PUT /upload/") for line in hub.requests) == 1
    assert hub.commits == 1


def test_after_a_kill_the_same_command_goes_on(run, hub, push):
    hub.stuck = True
    place = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
    words = [sys.executable, "-m", "harness", "push", str(run.path)]
    more = {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, env=os.environ | place | more, stderr=subprocess.DEVNULL)
    assert hub.reached.wait(60)
    process.kill()
    process.wait()
    hub.stuck = False
    assert push().code == 0
    assert sum(line.startswith("PUT /upload/") for line in hub.requests) == 1
    assert hub.commits == 1


def test_an_adapter_goes_alone_and_is_loaded_upon_its_base(run, hub, push):
    assert push("--adapter", "--repo", "me/lora").code == 0
    assert hub.files.keys() == {
        *("README.md", "adapter_model.safetensors", "config.json", "alignment-harness.json")
    }
    card = hub.files["README.md"].decode()
    assert yaml.safe_load(card.split("---\n")[1])["base_model_relation"] == "adapter"
    assert 'PeftModel.from_pretrained(model, "me/lora")' in card
    assert 'base = "llava-hf/llava-1.5-7b-hf"' in card


def test_texts_of_a_run_are_shown_and_are_no_markup(run, hub, push):
    text = yaml.safe_load(run.spec_file.read_text())
    text["model"]["revision"] = "<script>|`*\n---\n# x"
    run.spec_file.write_text(yaml.safe_dump(text))
    identity = json.loads(run.identity.read_text())
    identity["identity"]["data"]["content"] = "0"
    identity["identity"]["method"]["note"] = "```\n<script>"
    run.identity.write_text(json.dumps(identity))
    done = push("--dry-run")
    assert done.code == 0, done.err
    assert r"\<script\>\|\`\* --- \# x" in done.out
    assert "````yaml" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--repo", "a/b/c"], "--repo 'a/b/c'"),
        (["--license", "Not One"], "--license 'Not One'"),
    ],
)
def test_names_that_the_hub_refuses_are_refused_first(hub, push, words, told):
    done = push(*words)
    assert done.code == 1
    assert done.err.startswith(f"error: {told}")
    assert hub.requests == []


@pytest.mark.parametrize(
    ("lacking", "words", "told"),
    [("model", [], "no trained model"), ("adapter", ["--adapter"], "no adapter")],
)
def test_what_is_not_there_is_said_before_anybody_is_asked(run, hub, push, lacking, words, told):
    shutil.rmtree(run.path / lacking)
    done = push(*words)
    assert (done.code, done.out) == (1, "")
    assert told in done.err
    assert hub.requests == []


def test_a_run_that_was_not_judged_has_a_card(run, push):
    shutil.rmtree(run.judgements)
    done = push("--dry-run")
    assert done.code == 0, done.err
    assert "It was not evaluated." in done.out
    assert "None is stated here." in done.out


def test_a_card_is_made_without_torch(run):
    done = core(run.path.parent, "push", str(run.path), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "## Numbers" in done.stdout


def test_without_a_token_nobody_is_asked(hub, push, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "nobody"))
    monkeypatch.delenv("HF_TOKEN")
    done = push()
    assert done.code == 1
    assert "hf auth login" in done.err
    assert hub.requests == []
