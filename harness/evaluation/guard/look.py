"""Find tasks by name with lmms-eval's TaskManager: python -m harness.evaluation.guard.look.

Runs in a process of its own: lmms-eval takes seconds to import and patches who imports it. Prints
one JSON object for each name.
"""

import argparse
import contextlib
import difflib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from lmms_eval.tasks import TaskManager

from harness.errors import in_words
from harness.evaluation.guard.tasks import OWN

SUPPORTED = ("generate_until", "multiple_choice")
"""Kinds of requests that the adapter answers; each asks about one picture."""
_ASKS = re.compile(
    r"gpt|openai|judge|llm|api_key|api_url|chat_response|chat_completion|^server$", re.IGNORECASE
)
"""Names in the code of a metric that asks a language model."""
_WRITES = re.compile("submission|submit", re.IGNORECASE)
"""Names of metrics that write a file for a server and give no number here."""
_BY_RULE = {"mmbench_en_dev": "mmbench_en_dev_static"}
"""Tasks that ask a language model where a rule fails -> the same by rules alone."""


def look(names: Sequence[str], folders: Sequence[str]) -> list[dict[str, Any]]:
    """Return what each task is, or under `problem` why it cannot be run here.

    A task of the folders hides one of lmms-eval with the same name.
    """
    own = TaskManager(include_path=list(folders), include_defaults=False)
    every: TaskManager | None = None
    found = []
    for name in names:
        manager = own
        if name not in own.all_tasks:
            manager = every = every or TaskManager()  # seven seconds: 1,700 files are read
        found.append({"name": name, **_described(name, manager, own)})
    return found


def _described(name: str, manager: TaskManager, own: TaskManager) -> dict[str, Any]:
    kind = manager.task_index.get(name, {}).get("type")
    if kind is None:
        every = [*own.all_subtasks, *manager.all_subtasks]
        near = ", ".join(dict.fromkeys(difflib.get_close_matches(name, every, 5, 0.5)))
        return {"problem": f"lmms-eval has no such task.{f' Near: {near}.' if near else ''}"}
    if kind != "task":
        below = manager.task_index[name].get("task")
        parts = f", such as {', '.join(below[:5])}" if isinstance(below, list) else ""
        return {"problem": f"this is a {kind} of tasks. Name the tasks themselves{parts}."}
    file = Path(manager.task_index[name]["yaml_path"]).resolve()
    try:
        config = manager._get_config(name)
    except Exception as error:  # a task's own code may raise anything when it is imported
        return {"problem": f"lmms-eval cannot load it: {in_words(error)}"}
    if problem := _refused(name, config):
        return {"problem": problem}
    return {
        "file": str(file),
        "version": str(_version(config.get("metadata"))),
        "dataset_path": config.get("dataset_path") or "",
        "dataset_kwargs": config.get("dataset_kwargs") or {},
    }


def _refused(name: str, config: Mapping[str, Any]) -> str | None:
    """Return why a task has no number of its own here."""
    if (kind := config.get("output_type", "generate_until")) not in SUPPORTED:
        return f"its requests are of the kind {kind}; {' and '.join(SUPPORTED)} can be run."
    metrics = config.get("metric_list") or [{"metric": "acc"}]
    if any(one["metric"] == "acc_mutual_info" for one in metrics):
        return "acc_mutual_info asks without a picture, which this adapter does not."
    judged = [one["metric"] for one in metrics if _asks(one.get("aggregation"), constants=True)]
    if judged or _asks(config.get("process_results"), constants=False):
        rule = f" Take {_BY_RULE[name]}, which reads answers by rule." if name in _BY_RULE else ""
        told = ", ".join(judged) or "its score"
        return f"a language model gives {told}, and without one lmms-eval makes up a number.{rule}"
    if all(_WRITES.search(str(one["metric"])) for one in metrics):
        return "its metrics write a file for a server and give no number here."
    return None


def _asks(function: Any, constants: bool) -> bool:
    """Tell whether a function, or one of its module that it names, speaks of a language model."""
    return isinstance(function, FunctionType) and any(
        _ASKS.search(word) for word in _words(function, constants, set())
    )


def _words(function: Callable[..., Any], constants: bool, seen: set[str]) -> Iterator[str]:
    code = getattr(function, "__code__", None)
    if code is None or code.co_qualname in seen:
        return
    seen.add(code.co_qualname)
    yield from code.co_names
    if constants:  # such as the name of a method of judging; not the words of a docstring
        yield from (one for one in code.co_consts if isinstance(one, str) and " " not in one)
    for name in code.co_names:
        below = getattr(function, "__globals__", {}).get(name)
        if isinstance(below, FunctionType):
            yield from _words(below, constants, seen)


def _version(metadata: Any) -> Any:
    """Return the version that a task states; some have a list of mappings."""
    stated = metadata if isinstance(metadata, list) else [metadata]
    return next((one["version"] for one in stated if isinstance(one, dict) and "version" in one), 0)


def main() -> None:
    """Look at the tasks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m harness.evaluation.guard.look")
    parser.add_argument("--names", type=lambda names: names.split(","), required=True)
    parser.add_argument("--folder")
    asked = parser.parse_args()
    folders = [str(OWN), *([asked.folder] if asked.folder else [])]
    with contextlib.redirect_stdout(sys.stderr):  # tasks print when they are imported
        found = look(asked.names, folders)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
