"""The step of TRL's DPOTrainer with its defaults: forward and backward of one batch.

Checkpointing is on and the reference model is run in every step. The optimizer is not.
"""

import copy
import importlib
import io
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from harness.costs.shapes import Shape
from harness.data.rows.batch import TokenizedPair
from harness.gpu_check.made import image_id, made_model, made_pairs
from harness.gpu_check.words import made_processor


def trl_step(shape: Shape, device: torch.device, pairs: int) -> tuple[Callable[[], Tensor], int]:
    """Return a step that collates anew and runs, and the positions of its batch."""
    import datasets

    # An optional package, of which no type is promised.
    trl: Any = importlib.import_module("trl")

    model = made_model(shape, device, torch.bfloat16)
    rows = [_texts(pair, shape) for pair in made_pairs(shape, pairs)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.DPOTrainer(
            model=model,
            ref_model=copy.deepcopy(model),
            args=trl.DPOConfig(
                output_dir=folder,
                bf16=device.type == "cuda",
                use_cpu=device.type == "cpu",
                per_device_train_batch_size=pairs,
                report_to="none",
            ),
            train_dataset=datasets.Dataset.from_list(rows[:1]),
            processing_class=made_processor(shape),
        )
    # What `train` sets before its first step.
    trainer.current_gradient_accumulation_steps = 1
    model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)

    def batch() -> dict[str, Tensor]:
        return dict(trainer.data_collator([dict(row) for row in rows]))

    def step() -> Tensor:
        loss: Tensor = trainer.training_step(model, batch())
        model.zero_grad()
        return loss

    return step, batch()["input_ids"].numel()


def _texts(pair: TokenizedPair, shape: Shape) -> dict[str, Any]:
    """Return one row of a data set; the processor expands the one image token of the prompt."""
    prompt, image = pair.prompt.tolist(), image_id(shape)
    first = prompt.index(image)
    before, after = prompt[:first], prompt[first + prompt.count(image) :]
    side = shape.vision.image
    picture = io.BytesIO()
    Image.new("RGB", (side, side), (30 * pair.row % 256, 90, 120)).save(picture, "PNG")
    return {
        "prompt": f"{_words(before)} <image> {_words(after)}",
        "chosen": _words(pair.chosen.tolist()),
        "rejected": _words(pair.rejected.tolist()),
        "images": [Image.open(picture)],
    }


def _words(tokens: list[int]) -> str:
    return " ".join(f"w{token}" for token in tokens)
