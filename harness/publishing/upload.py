"""What of a run is published, and its way to the hub."""

from dataclasses import replace
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token

# The error of whichever HTTP library it uses.
from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]
from huggingface_hub.utils._validators import validate_repo_id

from harness.errors import ConfigError, DataError, HarnessError, in_words
from harness.publishing.card import Asked, card_of, is_licence
from harness.runs.rundir import RunDir
from harness.upkeep.folders import members, require_idle

CARD = "README.md"
IDENTITY = "alignment-harness.json"
"""The record of what decided the training."""


class PublishingError(HarnessError):
    """The hub could not be reached, or refused."""


def files_of(run: RunDir, adapter: bool) -> dict[str, Path]:
    """Return the files to upload by their names on the hub, without the card.

    Raises:
        PreflightError: A process is working on the run.
        DataError: The run is not finished, or has no adapter.
    """
    require_idle(run)
    if not run.spec_file.is_file() or not run.model.is_dir():
        raise DataError(
            f"{run.path} holds no trained model: only a finished training can be published. "
            "See: list runs"
        )
    folder = run.adapter if adapter else run.model
    if not folder.is_dir():
        raise DataError(
            f"{run.path} holds no adapter. Runs with model.lora_rank write one; what was trained "
            "whole, or by an earlier version, is published without --adapter."
        )
    files = {str(file.relative_to(folder)): file for file in members(folder)}
    return files | {IDENTITY: run.identity}


def checked(asked: Asked) -> Asked:
    """Return a request whose repository has a name that the hub takes.

    Raises:
        ConfigError: It has none, or the licence is no abbreviation.
    """
    try:
        validate_repo_id(asked.repo)
    except HFValidationError as error:
        raise ConfigError(f"--repo {asked.repo!r}: {error}") from error
    if asked.licence and not is_licence(asked.licence):
        raise ConfigError(
            f"--license {asked.licence!r}: give the hub's abbreviation, such as apache-2.0, llama2 "
            "or cc-by-nc-4.0."
        )
    return asked


def upload(run: RunDir, out: Path, asked: Asked, private: bool) -> tuple[str, list[str]]:
    """Publish a run; return the address, and what the card's table leaves out.

    All files become one commit. After a kill the same call goes on: what the hub has of large
    files is not sent again, and a second call with nothing new makes no commit.

    Raises:
        PublishingError: The hub could not be reached, or refused; no part of it has the token.
    """
    files = files_of(run, asked.adapter)
    token = get_token()
    if token is None:
        raise PublishingError("the hub asks who you are. Set HF_TOKEN, or run: hf auth login")
    api = HfApi()
    try:
        # A name without its owner is the user's own, and the hub knows who that is.
        made = api.create_repo(asked.repo, private=private, exist_ok=True)
        card, faults = card_of(run, out, replace(asked, repo=made.repo_id))
        operations = [CommitOperationAdd(CARD, card.encode())]
        operations += [CommitOperationAdd(name, file) for name, file in files.items()]
        told = f"{run.path.name} by alignment-harness"
        api.create_commit(made.repo_id, operations, commit_message=told)
    except (HTTPError, OSError, ValueError) as error:
        raise PublishingError(
            f"{asked.repo} is not published at {api.endpoint}: {_told(error, token)}. "
            "The same command goes on."
        ) from None
    return f"{api.endpoint}/{made.repo_id}", faults


def _told(error: Exception, token: str) -> str:
    return in_words(error).replace(token, "***").rstrip(".")
