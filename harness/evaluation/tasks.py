"""Benchmarks as lmms-eval tasks: Python objects over samples in memory, no YAML and no hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from lmms_eval.api.task import ConfigurableTask

from harness.evaluation.samples import GenerationTask

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


def lmms_task(task: GenerationTask) -> ConfigurableTask:
    """Return the lmms-eval task that asks the questions and leaves the scoring to others.

    Documents hold `index` into the samples and `question`; images stay outside, because lmms-eval
    copies documents into its results.
    """
    rows = [{"index": i, "question": sample.question} for i, sample in enumerate(task.samples)]
    suffix = task.decoding.prompt_suffix

    def question(doc: Mapping[str, Any]) -> str:
        return str(doc["question"]) + suffix

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
