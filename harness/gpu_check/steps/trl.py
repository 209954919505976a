"""The step of TRL's DPOTrainer: a real trainer, asked for forward and backward of one batch.

`training_step` is TRL's and transformers' own: preparation of inputs, `compute_loss` with the
reference model in the loop, and backward. TRL's own collator makes the batches, from texts and
pictures through the LLaVA processor. What `train` would do around the step (data loader,
switching checkpointing on, optimizer) is not run.
"""

import copy
import importlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from harness.costs.shapes import Shape
from harness.data.images import ImageRef
from harness.data.rows.batch import TokenizedPair
from harness.gpu_check.made import made_model, made_pairs
from harness.gpu_check.steps.plain import BETA
from harness.gpu_check.steps.words import made_processor


class TrlStep:
    """One step on one batch, which is made again at every call; gradients add up.

    Args:
        model: What is trained.
        reference: The model that it is compared with.
        pairs: The batch.
        picture: Makes the picture of an image.
        processor: What `made_processor` returned.
        device: Where it runs.
        checkpointing: Whether layers are run again, as TRL does by default.
    """

    def __init__(
        self,
        model: Any,
        reference: Any,
        pairs: Sequence[TokenizedPair],
        picture: Callable[[ImageRef], Image.Image],
        processor: Any,
        device: torch.device,
        checkpointing: bool = True,
    ) -> None:
        import datasets

        # An optional package, of which no type is promised.
        trl: Any = importlib.import_module("trl")

        self._model = model
        self._rows = [_texts(pair, processor.image_token_id, picture) for pair in pairs]
        with tempfile.TemporaryDirectory() as folder:
            self._trainer = trl.DPOTrainer(
                model=model,
                ref_model=reference,
                args=trl.DPOConfig(
                    output_dir=folder,
                    beta=BETA,
                    bf16=device.type == "cuda",
                    use_cpu=device.type == "cpu",
                    per_device_train_batch_size=len(pairs),
                    gradient_checkpointing=checkpointing,
                    report_to="none",
                ),
                train_dataset=datasets.Dataset.from_list(self._rows[:1]),
                processing_class=processor,
            )
        # What `train` sets before its first step.
        self._trainer.current_gradient_accumulation_steps = 1
        if checkpointing:
            model.gradient_checkpointing_enable(self._trainer.args.gradient_checkpointing_kwargs)

    def batch(self) -> dict[str, Tensor]:
        """Return the batch as TRL's collator makes it."""
        return dict(self._trainer.data_collator([dict(row) for row in self._rows]))

    def __call__(self) -> Tensor:
        """Collate, run forward and backward, and return the loss."""
        return self.train(self.batch())

    def train(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forward and backward of a batch that `batch` returned, and return the loss."""
        loss: Tensor = self._trainer.training_step(self._model, batch)
        return loss


class TrlSteps:
    """TRL's step with its defaults on one made model, for batches of any size.

    Batches are made before: TRL would collate in the process that trains, and that is not counted
    here, as it is not in the other steps.
    """

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self._shape, self._device, self._processor = shape, device, made_processor(shape)
        self._model = made_model(shape, device, torch.bfloat16)
        self._reference = copy.deepcopy(self._model)

    def step(self, pairs: int) -> tuple[Callable[[], Tensor], int]:
        """Return the step of a batch of made pairs, and the batch's positions."""
        side = self._shape.vision.image

        def picture(image: ImageRef) -> Image.Image:
            return Image.new("RGB", (side, side), (30 * int(image.key) % 256, 90, 120))

        made = made_pairs(self._shape, pairs)
        one = TrlStep(self._model, self._reference, made, picture, self._processor, self._device)
        batch = one.batch()

        def step() -> Tensor:
            loss = one.train(dict(batch))
            self._model.zero_grad()
            return loss

        return step, batch["input_ids"].numel()


def _texts(
    pair: TokenizedPair, image_id: int, picture: Callable[[ImageRef], Image.Image]
) -> dict[str, Any]:
    """Return one row of a data set; the processor expands the image tokens of the prompt."""

    def words(tokens: Tensor) -> str:
        return " ".join("<image>" if i == image_id else f"w{i}" for i in tokens.tolist())

    return {
        "prompt": words(pair.unexpanded(image_id)),
        "chosen": words(pair.chosen),
        "rejected": words(pair.rejected),
        "images": [picture(image) for image in pair.images],
    }
