"""One training process: `python -m harness.training.worker RUN_DIR`, started once per device."""

import json
import logging
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.data.batch import PairTokenizer, TokenizedPair
from harness.data.collate import Collator, ImageStore, no_segments, segments_for
from harness.data.columns import ensure_columns, read_columns
from harness.data.images import ImageTransform
from harness.data.preferences import open_preferences
from harness.data.templates import TEMPLATES
from harness.errors import ConfigError, HarnessError, Interrupted
from harness.registry import load_method
from harness.rundir import RunDir, cache_dir, write_atomically
from harness.spec import RunSpec
from harness.training.attention import NAME as SEGMENT_ATTENTION
from harness.training.checkpoint import Checkpoints
from harness.training.engine import Engine, Processes, dtype_of
from harness.training.loop import Loop
from harness.training.metrics import MetricsLog
from harness.training.model import BaseModel, load_base, model_digest, model_folder, write_model
from harness.training.policy import Policy, VisionTower
from harness.training.process import CUT_FILE, ERROR_FILE, STOP_FILE, StopRequest, die_with_parent
from harness.training.reference import ReferenceKey, ReferenceLogps, ensure_reference
from harness.training.schedule import DataOrder, LearningRate


class Worker:
    """The parts of one run, in the order in which they are made."""

    def __init__(self, run: RunDir, spec: RunSpec, processes: Processes) -> None:
        self.run, self.spec, self.processes = run, spec, processes
        self.stop = StopRequest(run.logs / STOP_FILE)
        self.method = load_method(spec.method)
        self.config = self.method.config.model_validate(spec.config)
        self.dtype = dtype_of(spec.training)
        self.folder = model_folder(spec.model)
        self.base = load_base(self.folder, self.dtype)
        self.preferences = open_preferences(spec.data, columns=self.method.columns)
        self.pairs = self._tokenized(self.base)
        self.order = self._order()

    def train(self) -> None:
        """Train to the end, or go on from the latest checkpoint, and write the model."""
        processes = self.processes
        policy, tower = self._policy(), VisionTower(self.base.llava, processes.device)
        reference = self._reference(policy, tower) if self.method.needs_reference else None
        saved = Checkpoints(self.run.checkpoints, processes)
        steps_done = saved.steps_done()
        if weights := saved.weights():
            policy.load_state_dict(weights)
        engine = Engine(policy, self.spec.training, processes, self.run.deepspeed_config)
        state = saved.restore(engine, self.method.init_state(self.config))
        loop = self._loop(engine, tower, reference)
        self.stop.listen()
        with MetricsLog(self.run.metrics, steps_done, processes) as log:
            if not loop.run(state, steps_done, saved, log):
                return
        trained = engine.weights()
        if processes.rank == 0:
            write_model(self.folder, trained, self.dtype, self.run.model)
            saved.clear()
        processes.barrier()

    def _loop(
        self, engine: Engine, tower: VisionTower, reference: ReferenceLogps | None
    ) -> Loop[Any, Any]:
        training = self.spec.training
        image_id = int(self.base.processor.image_token_id)
        return Loop(
            method=self.method,
            config=self.config,
            engine=engine,
            tower=tower,
            reference=reference,
            collate=self._collator(segments_for(self.config, image_id)),
            order=self.order,
            rate=LearningRate(
                peak=training.learning_rate,
                warmup_steps=math.ceil(training.warmup_ratio * self.order.total_steps),
                total_steps=self.order.total_steps,
                shape=training.schedule,
            ),
            seed=self.spec.seed,
            save_every=training.save_every,
            processes=self.processes,
            stop_asked=self.stop.asked,
        )

    def _tokenized(self, base: BaseModel) -> list[TokenizedPair]:
        tokenizer = PairTokenizer(
            base.processor,
            TEMPLATES[self.spec.model.template],
            base.image_tokens,
            self.spec.data.max_length,
        )
        pairs = tokenizer.tokenize(self.preferences)
        if tokenizer.truncated and self.processes.rank == 0:
            rows = list(dict.fromkeys(tokenizer.truncated))
            write_atomically(self.run.path / CUT_FILE, json.dumps(rows))
        return pairs

    def _order(self) -> DataOrder:
        training = self.spec.training
        if training.batch_pairs % self.processes.count:
            raise ConfigError(
                f"training.batch_pairs {training.batch_pairs} cannot be shared equally by "
                f"{self.processes.count} devices. Make it a multiple."
            )
        return DataOrder(
            pairs=len(self.pairs),
            batch_pairs=training.batch_pairs,
            epochs=training.epochs,
            shuffle=self.config.shuffle,
            seed=self.spec.seed,
        )

    def _policy(self) -> Policy:
        policy = Policy(self.base.llava).to(self.processes.device).train()
        if self.spec.training.gradient_checkpointing:
            # ZeRO-3 frees weights between forward and recomputation, which only reentrant
            # checkpointing tolerates.
            policy.language_model.gradient_checkpointing_enable(
                {"use_reentrant": self.spec.training.zero_stage == 3}
            )
        return policy

    def _collator(self, changed: Any) -> Collator:
        transform = ImageTransform(self.base.processor, self.spec.model.image_transform)
        columns = ensure_columns(
            self.preferences, self.method.columns, self.spec.data.hardness, cache_dir()
        )
        return Collator(
            pairs=self.pairs,
            images=ImageStore(self.preferences, transform),
            changed=changed,
            columns=read_columns(columns, self.method.columns) if columns else {},
            image_id=int(self.base.processor.image_token_id),
        )

    def _reference(self, policy: Policy, tower: VisionTower) -> ReferenceLogps:
        """Return the base model's log-probabilities; `policy` still has the base's weights."""
        model, training = self.spec.model, self.spec.training
        key = ReferenceKey(
            model=model_digest(self.folder),
            data=self.preferences.digest,
            template=model.template,
            image_transform=model.image_transform,
            dtype=training.precision,
            max_length=self.spec.data.max_length,
            device=self.processes.device.type,
            versions=f"torch {torch.__version__}, attention {SEGMENT_ATTENTION}",
        )
        collate = self._collator(no_segments)

        @torch.no_grad()
        def logps(rows: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
            if self.stop.asked():
                raise Interrupted("stopped before the first step")
            tokens = collate(rows).to(self.processes.device)
            found = policy(tokens, tower.features(tokens.images))
            return [
                (chosen[in_chosen], rejected[in_rejected])
                for chosen, in_chosen, rejected, in_rejected in zip(
                    found.chosen,
                    tokens.chosen.mask,
                    found.rejected,
                    tokens.rejected.mask,
                    strict=True,
                )
            ]

        return ensure_reference(
            key.file(cache_dir()),
            len(self.pairs),
            training.batch_pairs // self.processes.count,
            logps,
            self.processes,
        )


def main(run_dir: str) -> int:
    """Train as one process of the run; return the exit code."""
    die_with_parent(signal.SIGKILL)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    run = RunDir(Path(run_dir))
    try:
        spec = run.read_spec()
        torch.manual_seed(spec.seed)
        # Products of bfloat16 numbers are exact in TF32: the head's float32 logits stay exact.
        torch.backends.cuda.matmul.allow_tf32 = spec.training.precision == "bfloat16"
        processes = Processes()
        Worker(run, spec, processes).train()
        processes.close()
    except HarnessError as error:
        report = {"kind": type(error).__name__, "message": str(error)}
        write_atomically(run.logs / ERROR_FILE, json.dumps(report))
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    # Leave without waiting for libraries' threads: the model is on the disk.
    os._exit(code)
