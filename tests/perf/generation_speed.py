"""Time short answers about images: lmms-eval's stock LLaVA, our plain way, and shared prefixes.

One random model of middle size with LLaVA-1.5's 576 image tokens answers the same questions in
every way, in alternating repeats, after all answers were compared.

    python tests/perf/generation_speed.py --out results/perf/generation.json
"""

import argparse
import copy
import importlib.metadata
import json
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation" / "generation"))
from tiny_llava import Shape, make_checkpoint

from benchmarks.types import Decoding, Sample
from harness.evaluation.generation.adapter import JournaledLlava
from harness.evaluation.generation.answerer import Llava
from harness.evaluation.generation.journal import Journal
from harness.evaluation.generation.samples import GenerationTask
from harness.files.atomic import write_text

MIDDLE = Shape(
    hidden=512, layers=8, vision_hidden=256, vision_layers=4, image=336, patch=14,
    initializer_range=0.1,
)  # fmt: skip
THINGS = (
    "dog", "cat", "tree", "cloud", "person", "car", "table", "chair", "bird", "flower",
    "bottle", "window", "street", "boat",
)  # fmt: skip
TASK = "questions"
SPLIT = "test"


@dataclass(frozen=True)
class Size:
    """How much is asked."""

    images: int = 2
    questions: int = 14
    """Per image; AMBER asks 14.2 on average."""
    new_tokens: int = 3
    repeats: int = 3
    batch: int = 14


def measure(shape: Shape, size: Size) -> dict[str, object]:
    """Return seconds of every way, their medians and ratios.

    Raises:
        SystemExit: Two ways give different answers.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = make_checkpoint(folder / "model", shape=shape)
        ways = _ways(checkpoint, _task(folder, shape, size), size, folder)
        answers = {way: ask() for way, ask in ways.items()}
        if any(found != answers["stock"] for found in answers.values()):
            raise SystemExit(f"the ways give different answers: {answers}")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(size.repeats):
            for way, ask in ways.items():
                start = time.perf_counter()
                ask()
                seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    return {
        "seconds": seconds,
        "median_seconds": medians,
        "shared_is_faster_than": {
            way: median / medians["shared"] for way, median in medians.items() if way != "shared"
        },
        "different_answers": len(set(answers["stock"])),
        "answers_equal": True,
        "size": asdict(size),
        "shape": asdict(shape),
        "threads": torch.get_num_threads(),
        "versions": {
            package: importlib.metadata.version(package)
            for package in ("torch", "transformers", "lmms_eval")
        },
    }


def _task(folder: Path, shape: Shape, size: Size) -> GenerationTask:
    """Write pictures of the model's own size, which no image processor has to resize."""
    samples = []
    for place in range(size.images):
        torch.manual_seed(place)
        pixels = torch.randint(0, 256, (shape.image // 8, shape.image // 8, 3), dtype=torch.uint8)
        picture = Image.fromarray(pixels.numpy()).resize((shape.image, shape.image), 0)
        picture.save(folder / f"{place}.png")
        samples += [
            Sample(f"{place}-{thing}", f"Is there a {thing} in this image?", f"{place}.png")
            for thing in THINGS[: size.questions]
        ]
    return GenerationTask(TASK, samples, folder, Decoding(max_new_tokens=size.new_tokens))


def _ways(
    checkpoint: Path, task: GenerationTask, size: Size, folder: Path
) -> dict[str, Callable[[], list[str]]]:
    llava = Llava(checkpoint, "vicuna_v1", "center_crop", torch.device("cpu"))
    stock = _stock(checkpoint)

    def ours(batch: int, shared: bool) -> list[str]:
        # A new journal each time: otherwise every answer would be there already.
        with tempfile.TemporaryDirectory(dir=folder) as out:
            journal = Journal(Path(out), TASK, {}, len(task.samples))
            adapter = JournaledLlava(
                {TASK: llava}, {TASK: task}, {TASK: journal}, batch, shared_prefix=shared
            )
            return _asked(adapter, task, lambda image: image)

    return {
        "stock": lambda: [text.strip() for text in _asked(stock, task, _opened)],
        "plain, one by one": lambda: ours(1, shared=False),
        "plain": lambda: ours(size.batch, shared=False),
        "shared": lambda: ours(size.batch, shared=True),
    }


def _stock(checkpoint: Path) -> object:
    """Return lmms-eval's `llava_hf`; it answers one question at a time and refuses larger batches.

    It imports decord for videos, which no requirement of lmms-eval brings; a stand-in without
    content lets it be imported.
    """
    stand_in = types.ModuleType("decord")
    stand_in.VideoReader = stand_in.cpu = None
    sys.modules.setdefault("decord", stand_in)
    from lmms_eval.models.simple.llava_hf import LlavaHf

    return LlavaHf(str(checkpoint), device="cpu", device_map="cpu", dtype="float32")


def _opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def _asked(model: object, task: GenerationTask, image: Callable[[Path], object]) -> list[str]:
    """Ask as lmms-eval does, without its start and its results."""
    from lmms_eval.api.instance import Instance

    docs = [{"index": index} for index in range(len(task.samples))]
    model.task_dict[TASK] = {SPLIT: docs}

    def picture(doc: dict[str, int]) -> list[object]:
        return [image(task.image(doc["index"]))]

    requests = [
        Instance(
            request_type="generate_until",
            arguments=(
                task.question(index), copy.deepcopy(task.generation_kwargs), picture, index, TASK,
                SPLIT,
            ),
            idx=0,
            metadata={"task": TASK, "doc_id": index, "repeats": 1},
        )
        for index in range(len(docs))
    ]  # fmt: skip
    return model.generate_until(requests)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print or write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Size()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--out", type=Path, help="Where to write the result as JSON.")
    stated = vars(parser.parse_args(arguments))
    out = stated.pop("out")
    text = json.dumps(measure(MIDDLE, Size(**stated)), indent=2) + "\n"
    if out:
        write_text(out, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
