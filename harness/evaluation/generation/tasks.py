"""Benchmarks as lmms-eval tasks: Python objects over samples in memory, no YAML and no hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from lmms_eval.api.task import ConfigurableTask

from harness.evaluation.generation.samples import GenerationTask

SPLIT = "test"


class _MemoryTask(ConfigurableTask):  # type: ignore[misc]  # lmms-eval is untyped
    """An lmms-eval task whose documents are handed over instead of downloaded."""

    def __init__(self, rows: list[dict[str, Any]], config: dict[str, Any]) -> None:
        self._rows = rows
        super().__init__(config=config)

    def download(self, dataset_kwargs: Mapping[str, Any] | None = None) -> None:
        """Take the documents from memory."""
        self.dataset = {SPLIT: Dataset.from_list(self._rows)}
        self.dataset_no_image = self.dataset


def shares(task: GenerationTask, processes: int) -> list[int]:
    """Return the order of samples in which every process gets whole images.

    lmms-eval deals documents out in turn: process r gets the places r, r + processes, and so on.
    Dealt in published order, the questions about one image would go to all processes, and each of
    them would work on the image.
    """
    first: dict[Path | bytes, int] = {}
    for index in range(len(task.samples)):
        first.setdefault(task.image(index), index)
    by_image = sorted(range(len(task.samples)), key=lambda index: first[task.image(index)])
    order = [0] * len(by_image)
    rest = iter(by_image)
    for rank in range(processes):
        for place in range(rank, len(order), processes):
            order[place] = next(rest)
    return order


def lmms_task(task: GenerationTask, processes: int = 1) -> ConfigurableTask:
    """Return the lmms-eval task that asks the questions and leaves the scoring to others.

    Documents hold `index` into the samples and `question`; images stay outside, because lmms-eval
    copies documents into its results.
    """
    rows = [{"index": index, "question": task.question(index)} for index in shares(task, processes)]

    def question(doc: Mapping[str, Any]) -> str:
        return str(doc["question"])

    def image(doc: Mapping[str, Any]) -> list[Path | bytes]:
        return [task.image(doc["index"])]

    def no_target(_doc: Mapping[str, Any]) -> str:
        return ""

    config = {
        "task": task.name,
        "test_split": SPLIT,
        "output_type": "generate_until",
        "doc_to_text": question,
        "doc_to_visual": image,
        "doc_to_target": no_target,
        "generation_kwargs": task.generation_kwargs,
        "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
        "metadata": {"version": 1},
    }
    return _MemoryTask(rows, config)
