"""The training step of TRL's DPOTrainer, to measure against: a real trainer, asked for one step.

`training_step` is TRL's and transformers' own: preparation of inputs, `compute_loss` with the
reference model in the loop, and backward. Every step collates anew with TRL's collator, from texts
and pictures through the LLaVA processor. Nothing of TRL is replaced; what `train` would do around
the step (data loader, switching checkpointing on, optimizer) is not run. Two defaults are set
otherwise: float32 instead of bfloat16, so that losses can be compared, and the CPU.

TRL trains the vision tower, and on a CPU its head makes logits at every position; on a GPU it
selects the positions of the responses first. `compact` chooses that path on the CPU as well.

Source: trl 1.16.0, trainer/dpo_trainer.py, trainer/utils.py and kernels/chunked_logprob.py.
"""

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from step_setting import BETA, Pictures
from torch import Tensor

from harness.data.rows.batch import TokenizedPair


@dataclass(frozen=True)
class Choices:
    """How TRL is run; the defaults are TRL's."""

    checkpointing: bool = True
    train_tower: bool = True
    compact: bool = False


class TrlStep:
    """One step on one batch, made again at every call."""

    def __init__(self, setting, choices: Choices) -> None:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        self.policy, reference = map(copy.deepcopy, (setting.policy, setting.reference))
        self.policy.model.vision_tower.requires_grad_(choices.train_tower)
        self._rows = [_texts(pair, setting.pictures) for pair in setting.pairs]
        self._compact = choices.compact
        with tempfile.TemporaryDirectory() as folder:
            self._trainer = DPOTrainer(
                model=self.policy,
                ref_model=reference,
                args=DPOConfig(
                    output_dir=str(Path(folder)),
                    beta=BETA,
                    bf16=False,
                    use_cpu=True,
                    per_device_train_batch_size=len(self._rows),
                    gradient_checkpointing=choices.checkpointing,
                    report_to="none",
                ),
                train_dataset=Dataset.from_list(self._rows[:1]),
                processing_class=setting.processor,
            )
        # What `train` sets before its first step.
        self._trainer.current_gradient_accumulation_steps = 1
        if choices.checkpointing:
            self.policy.gradient_checkpointing_enable(
                self._trainer.args.gradient_checkpointing_kwargs
            )

    def batch(self) -> dict[str, Tensor]:
        """Return the batch as TRL's collator makes it."""
        return dict(self._trainer.data_collator([dict(row) for row in self._rows]))

    def __call__(self) -> Tensor:
        """Run forward and backward and return the loss."""
        with mock.patch("trl.trainer.utils._use_triton", return_value=self._compact):
            return self._trainer.training_step(self.policy, self.batch())


def _texts(pair: TokenizedPair, pictures: Pictures) -> dict:
    """Return one row of a data set; the processor expands the one image token of the prompt."""
    prompt = pair.prompt.tolist()
    image = max(set(prompt), key=prompt.count)
    first = prompt.index(image)
    before, after = prompt[:first], prompt[first + prompt.count(image) :]
    return {
        "prompt": f"{_words(before)} <image> {_words(after)}",
        "chosen": _words(pair.chosen.tolist()),
        "rejected": _words(pair.rejected.tolist()),
        "images": [pictures.picture(pair.image_key)],
    }


def _words(tokens: Sequence[int]) -> str:
    return " ".join(f"w{token}" for token in tokens)
