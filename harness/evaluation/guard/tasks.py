"""The tasks of a guard, found by name: what each is, where its data are, what stands in its way."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import DataError, HarnessError
from harness.evaluation.guard import documents
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.digests import content_digest, text_digest
from harness.files.hub_names import MIRROR, cached_commit, on_hub
from harness.files.python_code import stripped
from harness.launchers.interpreter import safe_paths
from harness.settings.places import in_world
from harness.settings.spec import EvaluationSpec

OWN = Path(__file__).parent / "tiny"
"""The harness's own task, in lmms-eval's YAML form."""
_BUILDERS = ("json", "parquet", "csv", "arrow", "text", "imagefolder")
"""Names that `datasets` reads as a kind of file and not as a place."""
_ASKING = ("adapter.py", "likelihood.py", "worker.py")
"""Code that decides what a model is asked and which numbers are kept."""
_TAIL = 500


@dataclass(frozen=True)
class GuardTask:
    """A task, or why there is none."""

    name: str
    problem: str = ""
    file: str = ""
    """Its YAML."""
    version: str = ""
    dataset_path: str = ""
    dataset_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> str:
        """Hash of the task's folder: its YAML, what it includes, and its scorer."""
        files = [file for file in sorted(Path(self.file).parent.iterdir()) if file.is_file()]
        return content_digest(lambda: files)[:16]

    def place(self) -> Path | None:
        """Return the folder of a data set of the hub; None where it is not here, or is no such."""
        if not on_hub(self.dataset_path):
            return None
        if mirror := os.environ.get(MIRROR):
            folder = Path(mirror) / self.dataset_path
            return folder if folder.is_dir() else None
        if (commit := cached_commit(self.dataset_path, "dataset")) is None:
            return None
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(
                self.dataset_path, repo_type="dataset", revision=commit, local_files_only=True
            )
        )

    def files(self) -> list[Path]:
        """Return the files that its YAML names, which lie beside it where their names are short."""
        given = self.dataset_kwargs
        named = [*_texts(given.get("data_files")), *_texts(given.get("data_dir"))]
        if self.dataset_path not in _BUILDERS and not on_hub(self.dataset_path):
            named.append(self.dataset_path)
        return [Path(self.file).parent / one for one in named]

    def data(self, asked: EvaluationSpec) -> str:
        """Return what tells its documents from others: a commit of the hub, or a hash.

        Raises:
            DataError: They are not here; the message says how to get them.
        """
        if self.name == documents.TASK:
            return documents.digest(documents.tiny_documents(Path(asked.data)))
        if on_hub(self.dataset_path):
            if (place := self.place()) is None:
                raise DataError(self._absent())
            return cached_commit(self.dataset_path, "dataset") or _hash([place])
        if missing := [one for one in self.files() if not one.exists()]:
            raise DataError(f"guard task {self.name}: there is no {missing[0]}, which it reads.")
        return _hash(self.files())

    def _absent(self) -> str:
        told = f"guard task {self.name}: its data {self.dataset_path} are not on this machine. "
        if mirror := os.environ.get(MIRROR):
            return f"{told}Put them into {Path(mirror) / self.dataset_path}."
        fetch = f"snapshot_download('{self.dataset_path}', repo_type='dataset')"
        return f'{told}Fetch them with: python -c "from huggingface_hub import *; {fetch}"'

    def missing(self, asked: EvaluationSpec) -> str | None:
        """Return what is not here of its data; a tiny world that is not built yet will be."""
        if self.name == documents.TASK and in_world(asked.data):
            return None
        try:
            self.data(asked)
        except DataError as error:
            return str(error)
        return None


def version() -> str:
    """Return lmms-eval's version."""
    return importlib.metadata.version("lmms_eval")


def guard_tasks(asked: EvaluationSpec) -> list[GuardTask]:
    """Return the tasks that are asked for, in their order.

    What lmms-eval says of a task is kept for the next call, so that a finished one need not
    import it.

    Raises:
        HarnessError: lmms-eval cannot be asked.
    """
    names = tuple(dict.fromkeys(asked.guard))
    kept = {name: _kept(name, asked.guard_tasks) for name in names}
    found = {name: task for name, file in kept.items() if (task := _read(file)) is not None}
    if left := [name for name in names if name not in found]:
        for task in _looked_up(left, asked.guard_tasks):
            found[task.name] = task
            if not task.problem:
                write_text(kept[task.name], json.dumps(vars(task)))
    return [found[name] for name in names]


def guard_problems(asked: EvaluationSpec, problems: list[str], missing: list[str]) -> None:
    """Add why tasks that are asked for can be run nowhere, or not here; all are looked at."""
    if not asked.guard:
        return
    if asked.guard_tasks is not None and not Path(asked.guard_tasks).is_dir():
        missing.append(f"--guard-tasks {asked.guard_tasks}: there is no such folder.")
        return
    try:
        tasks = guard_tasks(asked)
    except HarnessError as error:
        missing.append(str(error))
        return
    problems += [f"guard task {one.name}: {one.problem}" for one in tasks if one.problem]
    missing += filter(None, (one.missing(asked) for one in tasks if not one.problem))


def code() -> str:
    """Return a hash of the code that asks and keeps; comments do not count."""
    room = Path(__file__).parent
    return text_digest(*(stripped((room / one).read_text("utf-8")) for one in _ASKING), digits=16)


def _kept(name: str, folder: str | None) -> Path:
    """Return the file that holds what a task is; another one where a folder of tasks changed."""
    folders = [OWN, *([Path(folder).resolve()] if folder else [])]
    mark = text_digest(version(), name, *map(str, folders), _hash(folders), digits=16)
    return cache_dir() / "guard" / "tasks" / f"{mark}.json"


def _read(file: Path) -> GuardTask | None:
    """Return a task that was looked up before; None where it has to be done anew."""
    try:
        task = GuardTask(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return task if Path(task.file).is_file() else None


def _looked_up(names: Sequence[str], folder: str | None) -> Iterator[GuardTask]:
    command = [sys.executable, "-m", "harness.evaluation.guard.look", f"--names={','.join(names)}"]
    command += [f"--folder={Path(folder).resolve()}"] if folder else []
    ended = subprocess.run(command, capture_output=True, env=environment(), check=False)
    if ended.returncode != 0:
        words = ended.stderr.decode("utf-8", "replace").strip()[-_TAIL:]
        raise HarnessError(f"lmms-eval cannot be asked for the guard's tasks:\n{words}")
    yield from (GuardTask(**one) for one in json.loads(ended.stdout))


def environment() -> dict[str, str]:
    """Return what lmms-eval is started with: no network, no judge, data in the harness's cache."""
    # Some tasks make a client when they are imported, and that wants a key. No such task is run.
    no_judge = {
        "OPENAI_API_KEY": "unused",
        "OPENAI_API_URL": "http://127.0.0.1:9",
        "API_TYPE": "openai",
    }
    stated = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "LMMS_EVAL_DATASETS_CACHE": str(cache_dir() / "guard" / "data"),
    }
    return os.environ | safe_paths() | stated | no_judge


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(one)


def _hash(places: Sequence[Path]) -> str:
    """Hash the contents of files, and of all files in folders."""
    each = [sorted(place.rglob("*")) if place.is_dir() else [place] for place in places]
    files = [one for group in each for one in group if one.is_file() and one.suffix != ".pyc"]
    names = "\0".join(file.name for file in files)
    return text_digest(names, content_digest(lambda: files), digits=16)
