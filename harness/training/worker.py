"""One training process: `python -m harness.training.worker RUN_DIR`, started once per device."""

import json
import logging
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.data.columns.columns import Columns, ensure_columns, read_columns
from harness.data.pairs.opening import open_preferences
from harness.data.rows.collate import Collator, ImageStore, changed_by, no_segments
from harness.data.rows.tokenized import TokenReader
from harness.data.rows.views import views_of_run
from harness.data.transforms import ImageTransform
from harness.errors import ConfigError, HarnessError, TrainingError, without_secrets
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.files.faults import told
from harness.launchers.lifetime import die_with_parent
from harness.models.base import load_base, write_model
from harness.models.catalog import check_template
from harness.models.lora import Lora
from harness.models.sources import located_model
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.settings.method_columns import column_of_order
from harness.settings.spec import RunSpec
from harness.training.attention.choose import use_attention
from harness.training.checkpoints.checkpoint import Checkpoints
from harness.training.fitting import note_session, use_checkpointing, useful_flops
from harness.training.kernels.choose import Kernels, use_kernels
from harness.training.loop import Loop
from harness.training.metrics import MetricsLog
from harness.training.precomputed.preparation import Preparation, References
from harness.training.precomputed.vision_cache import VisionCache
from harness.training.process import (
    ERROR_FILE,
    PROGRESS_FILE,
    STOP_FILE,
    Progress,
    StopRequest,
)
from harness.training.reading import pair_tokenizer
from harness.training.step.batches import Batches
from harness.training.step.engine import DeepSpeedEngine, TorchProcesses, dtype_of
from harness.training.step.policy import Policy, VisionTower
from harness.training.step.protocols import Engine, Processes
from harness.training.step.schedule import DataOrder, LearningRate
from harness.training.step.wide_products import wide_products
from harness.training.watch import Watch
from methods.types import Mark, Statistic


class Worker:
    """The parts of one run, in the order in which they are made."""

    def __init__(self, run: RunDir, spec: RunSpec, processes: Processes) -> None:
        self.run, self.spec, self.processes = run, spec, processes
        self.stop = StopRequest(run.logs / STOP_FILE)
        self.progress = Progress(run.logs / PROGRESS_FILE, processes.rank)
        self.method = load_method(spec.method)
        self.config = self.method.config.model_validate(spec.config)
        self.dtype = dtype_of(spec.training)
        self.source = located_model(spec.model)
        self.folder = self.source.folder
        self.base = load_base(self.folder, self.dtype)
        check_template(self.base.model.config.model_type, spec.model.template)
        self.lora = Lora.of(spec.model)
        tokenizer = pair_tokenizer(self.base, spec)
        self.preferences = open_preferences(
            spec.data,
            columns=self.method.columns,
            reader=TokenReader(self.folder, tokenizer),
        )
        self.preparation = Preparation(
            run,
            spec,
            self.folder,
            self.base,
            tokenizer,
            self.preferences,
            processes,
            self.progress,
            self.stop,
        )
        self.pairs = self.preparation.tokenized(self.method.token_columns)
        transform = ImageTransform(self.base.processor, spec.model.image_transform)
        self.images = ImageStore(self.preferences, transform)
        self.views = views_of_run(self.method, spec, self.pairs, self.images.tensor)
        self.order = self._order()

    def train(self) -> None:
        """Train to the end, or go on from the latest checkpoint, and write the model."""
        processes = self.processes
        used = self._kernels()
        policy, tower = self._policy(used), VisionTower(self.base.model, processes.device)
        vision = self.preparation.vision(tower, self.pairs, self.images)
        collate = self._collator(no_segments, vision)
        references = self.preparation.references(
            self.method.needs_reference, policy, used, vision, collate, self.views
        )
        saved = Checkpoints(
            self.run.checkpoints, processes, keep=self.spec.training.keep_checkpoints
        )
        steps_done = saved.steps_done()
        if weights := saved.weights():
            _load_trained(policy, weights)
        engine = DeepSpeedEngine(policy, self.spec.training, processes, self.run.deepspeed_config)
        state = saved.restore(engine, self.method.init_state(self.config))
        loop = self._loop(engine, vision, references)
        self.stop.listen()

        def save(done: int, state: Any) -> None:
            saved.save(done, engine, state)

        log = MetricsLog(self.run.metrics, steps_done, processes)
        if not loop.run(state, steps_done, save, log):
            return
        trained = engine.weights()
        if processes.rank == 0:
            write_model(
                self.folder, trained, self.dtype, self.run.model, self.lora, self.run.adapter
            )
            saved.clear()
        processes.barrier()

    def _loop(self, engine: Engine, vision: VisionCache, references: References) -> Loop[Any, Any]:
        training, processes = self.spec.training, self.processes
        image_id = int(self.base.processor.image_token_id)
        segments = self.method.segments(self.config)
        return Loop(
            method=self.method,
            config=self.config,
            engine=engine,
            features=vision.features,
            reference=references.pairs,
            fixed_views=references.fixed_views,
            live=references.live,
            batches=Batches(
                order=self.order,
                collate=self._collator(
                    changed_by(segments, image_id),
                    vision,
                    self.method.marks(self.config),
                    self.method.statistics,
                ),
                size=self._size,
                pairs_per_pass=training.pairs_per_pass,
                tokens_per_pass=training.tokens_per_pass,
                processes=processes,
                by_epoch=self.views is not None,
            ),
            rate=LearningRate(
                peak=training.learning_rate,
                warmup_steps=math.ceil(training.warmup_ratio * self.order.total_steps),
                total_steps=self.order.total_steps,
                shape=training.schedule,
            ),
            seed=self.spec.seed,
            save_every=training.save_every,
            processes=processes,
            watch=Watch(
                order=self.order,
                pair_id=self.preferences.pair_id,
                limit=training.divergence_norm,
                patience=training.divergence_steps,
                flops=useful_flops(
                    self.spec, self.folder, self.pairs, self.base.image_tokens, processes
                ),
                run=self.run,
                progress=self.progress,
                processes=processes,
            ),
            stop_asked=self.stop.asked,
        )

    def _size(self, row: int) -> int:
        """Return the most positions that a pair takes, with its views."""
        pair = self.pairs[row]
        return pair.positions + (self.views.positions(pair) if self.views else 0)

    def _order(self) -> DataOrder:
        training = self.spec.training
        if training.batch_pairs % self.processes.count:
            raise ConfigError(
                f"training.batch_pairs {training.batch_pairs} cannot be shared equally by "
                f"{self.processes.count} devices. Make it a multiple."
            )
        column = column_of_order(self.spec)
        return DataOrder(
            pairs=len(self.pairs),
            batch_pairs=training.batch_pairs,
            epochs=training.epochs,
            shuffle=self.config.shuffle,
            seed=self.spec.seed,
            images=self.pairs.images if self.spec.data.order == "by_image" else None,
            values=self._columns()[column] if column else None,
        )

    def _columns(self) -> Columns:
        """Return the numbers of every pair that the method reads."""
        names = self.method.columns
        file = ensure_columns(self.preferences, names, self.spec.data.hardness, cache_dir())
        return read_columns(file, names) if file else {}

    def _kernels(self) -> Kernels:
        training, device = self.spec.training, self.processes.device
        return Kernels(
            attention=use_attention(training.attention, device, self.dtype),
            decoder=use_kernels(training.kernels, device, self.dtype),
        )

    def _policy(self, used: Kernels) -> Policy:
        policy = Policy(self.base.model, self.lora, used)
        policy = policy.to(self.processes.device).train()
        layers = use_checkpointing(
            policy.language_model,
            self.spec,
            self.folder,
            self.pairs,
            self.base.image_tokens,
            self.processes,
        )
        note_session(self.run, self.spec.training, self.processes, used, layers, self.source)
        return policy

    def _collator(
        self,
        changed: Any,
        vision: VisionCache,
        marks: frozenset[Mark] = frozenset(),
        statistics: frozenset[Statistic] = frozenset(),
    ) -> Collator:
        return Collator(
            pairs=self.pairs,
            images=self.images,
            changed=changed,
            columns=self._columns(),
            image_id=int(self.base.processor.image_token_id),
            kept=vision.keeps,
            marks=marks,
            statistics=statistics,
            views=self.views,
        )


def main(run_dir: str) -> int:
    """Train as one process of the run; return the exit code."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    run = RunDir(Path(run_dir))
    try:
        spec = run.read_spec()
        torch.manual_seed(spec.seed)
        # Products of bfloat16 numbers are exact in TF32: the head's float32 logits stay exact.
        torch.backends.cuda.matmul.allow_tf32 = spec.training.precision == "bfloat16"
        processes = TorchProcesses()
        with wide_products(processes.device, dtype_of(spec.training)):
            Worker(run, spec, processes).train()
        processes.close()
    except HarnessError as error:
        return _tell(run, error)
    except OSError as error:
        return _tell(run, TrainingError(told(error)))
    return 0


def _tell(run: RunDir, error: HarnessError) -> int:
    """Write down why this process ends, for the launcher; on stderr where no file can be.

    What was first to be told stays: other processes end of that.
    """
    if error.__cause__ is not None:
        sys.stderr.write(without_secrets("".join(traceback.format_exception(error.__cause__))))
    report = json.dumps({"kind": type(error).__name__, "message": str(error)})
    try:
        if not (run.logs / ERROR_FILE).exists():
            write_text(run.logs / ERROR_FILE, report)
    except OSError:
        sys.stderr.write(f"{error}\n")
    return 1


def _load_trained(policy: Policy, weights: dict[str, Tensor]) -> None:
    """Put back the weights of a checkpoint, which holds the trained ones.

    Raises:
        TrainingError: They are those of another model.
    """
    found = policy.load_state_dict(weights, strict=False)
    trained = {name for name, weight in policy.named_parameters() if weight.requires_grad}
    if strange := sorted({*found.unexpected_keys, *(trained & {*found.missing_keys})}):
        raise TrainingError(
            f"The checkpoint is not one of this model: {', '.join(strange[:3])}. Remove the "
            "folder checkpoints to start anew."
        )


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    # Leave without waiting for libraries' threads: the model is on the disk.
    os._exit(code)
