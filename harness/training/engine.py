"""The only file that imports DeepSpeed: processes, gradients, the optimizer and their state."""

import json
import math
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.spec import TrainingSpec

_TIMEOUT = timedelta(hours=2)
"""Longest wait for another rank: rank 0 may be computing or waiting for a shared cache file."""

_SMALL_BUCKET = 500_000
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class StepReport(NamedTuple):
    """What an update says about itself."""

    learning_rate: float
    gradient_norm: float
    """Norm of the whole gradient before clipping."""


class Processes:
    """The processes of this run: NCCL between GPUs, gloo between CPU processes."""

    def __init__(self) -> None:
        deepspeed = _deepspeed()
        use_cuda = torch.cuda.is_available()
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = torch.device("cuda", local_rank) if use_cuda else torch.device("cpu")
        if use_cuda:
            torch.cuda.set_device(self.device)
        deepspeed.init_distributed(
            "nccl" if use_cuda else "gloo",
            timeout=_TIMEOUT,
            verbose=False,
            auto_mpi_discovery=False,
        )
        self.rank = torch.distributed.get_rank()
        self.count = torch.distributed.get_world_size()

    def barrier(self) -> None:
        """Wait until every process is here."""
        torch.distributed.barrier()

    def gather(self, values: Tensor) -> Tensor:
        """Return the values of all ranks in rank order, detached."""
        values = values.detach().contiguous()
        if self.count == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.count)]
        torch.distributed.all_gather(parts, values)
        return torch.cat(parts)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, detached."""
        total = values.detach().clone()
        if self.count > 1:
            torch.distributed.all_reduce(total)
        return total

    def close(self) -> None:
        """Leave the group, so that the launcher sees a clean end."""
        torch.distributed.destroy_process_group()


class Engine:
    """Forward, backward and update of one module over all processes."""

    def __init__(
        self, module: nn.Module, training: TrainingSpec, processes: Processes, config_file: Path
    ) -> None:
        self._processes = processes
        self._stage = training.zero_stage
        trained = [weight for weight in module.parameters() if weight.requires_grad]
        self._adam = torch.optim.AdamW(
            trained,
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=processes.device.type == "cuda",
        )
        config = deepspeed_config(training, processes)
        if processes.rank == 0:
            config_file.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        self._engine, *_ = _deepspeed().initialize(
            model=module, optimizer=self._adam, config=config, dist_init_required=False
        )

    def __call__(self, *inputs: Any) -> Any:
        """Run the module's forward."""
        return self._engine(*inputs)

    def update(self, loss: Tensor, learning_rate: float) -> StepReport:
        """Backpropagate a rank's part of the loss and step.

        The loss of the batch is the sum over the ranks; DeepSpeed averages, hence the factor.
        """
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._engine.backward(loss * self._processes.count)
        norm = self._plain_norm() if self._is_plain else None
        self._engine.step()
        if norm is None:
            norm = float(self._engine.get_global_grad_norm())
        # DeepSpeed says -1 for a norm that is not finite.
        return StepReport(learning_rate, gradient_norm=norm if norm >= 0 else math.nan)

    def weights(self) -> dict[str, Tensor]:
        """Return the whole weights in training precision; empty on every rank but the first.

        Every rank must call it.
        """
        if self._stage == 3:
            whole = self._engine._zero3_consolidated_16bit_state_dict()
        else:
            whole = self._engine.module.state_dict()
        if self._processes.rank > 0:
            return {}
        weights: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, tied_or_own in whole.items():
            weight = tied_or_own.detach().cpu().contiguous()
            # A head tied to the embedding is the same memory under two names, which safetensors
            # refuses to write.
            weights[name] = weight.clone() if weight.data_ptr() in seen else weight
            seen.add(weight.data_ptr())
        return weights

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Return this rank's master weights and moments, by a name that is stable over restarts."""
        tensors: dict[str, Tensor] = {}
        for i, master in enumerate(self._masters()):
            tensors[f"{i}.master"] = master.detach()
            for name, value in self._adam.state[master].items():
                tensors[f"{i}.{name}"] = value
        return tensors

    def load_optimizer_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `optimizer_tensors` returned; the module already has its weights."""
        for i, master in enumerate(self._masters()):
            prefix = f"{i}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            master.data.copy_(own.pop("master"))
            # A counter on the CPU is what torch's own optimizer keeps unless it is fused.
            self._adam.state[master] = {
                name: value if value.dim() == 0 and not self._fused else value.to(master.device)
                for name, value in own.items()
            }

    @property
    def _fused(self) -> bool:
        return bool(self._adam.defaults["fused"])

    @property
    def _is_plain(self) -> bool:
        """DeepSpeed wraps no optimizer around float32 weights without ZeRO."""
        return self._engine.optimizer is self._adam

    def _plain_norm(self) -> float:
        gradients = [w.grad for w in self._engine.module.parameters() if w.grad is not None]
        return float(nn.utils.get_total_norm(gradients))

    def _masters(self) -> list[Tensor]:
        if self._stage == 3:
            # ZeRO-3 lends its flat weights to the optimizer only while it steps.
            return list(self._engine.optimizer.fp32_partitioned_groups_flat)
        return [weight for group in self._adam.param_groups for weight in group["params"]]


def deepspeed_config(training: TrainingSpec, processes: Processes) -> dict[str, Any]:
    """Return DeepSpeed's configuration for a run."""
    on_cpu = processes.device.type == "cpu"
    zero: dict[str, Any] = {"stage": training.zero_stage, "overlap_comm": not on_cpu}
    if on_cpu:
        # The default buckets hold 500 M numbers: far more than a model that trains on a CPU.
        zero |= {"reduce_bucket_size": _SMALL_BUCKET, "allgather_bucket_size": _SMALL_BUCKET}
        zero |= {"stage3_prefetch_bucket_size": _SMALL_BUCKET}
    return {
        "train_batch_size": training.batch_pairs,
        "train_micro_batch_size_per_gpu": training.batch_pairs // processes.count,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.max_grad_norm or 0.0,
        "bf16": {"enabled": training.precision == "bfloat16"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 2**31,
        "wall_clock_breakdown": False,
    }


def dtype_of(training: TrainingSpec) -> torch.dtype:
    """Return the type of the weights in forward and backward."""
    return _DTYPES[training.precision]


def is_finite(*values: float) -> bool:
    """Say whether none of the values is infinite or not a number."""
    return all(math.isfinite(value) for value in values)


def _deepspeed() -> Any:
    # DeepSpeed picks its accelerator when it is imported, and without this guesses from packages.
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    import deepspeed

    # Plain gloo: the shared-memory all-reduce would call a C++ compiler at first use.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
