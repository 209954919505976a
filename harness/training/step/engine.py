"""The only file that imports DeepSpeed: processes, gradients, the optimizer and their state."""

import json
import math
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.settings.spec import TrainingSpec
from harness.training.step.deepspeed_config import deepspeed_config
from harness.training.step.fragments import Fragment, of_flat_groups, of_partitions, whole
from harness.training.step.protocols import Processes, StepReport

_TIMEOUT = timedelta(minutes=30)
"""Longest wait for another rank: it may be writing its part of a checkpoint to a slow disk."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class TorchProcesses:
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


class DeepSpeedEngine:
    """Forward, backward and update by DeepSpeed with AdamW, and the state of both."""

    def __init__(
        self, module: nn.Module, training: TrainingSpec, processes: Processes, config_file: Path
    ) -> None:
        self._processes = processes
        self._stage = training.zero_stage
        on_cpu = processes.device.type == "cpu"
        trained = [weight for weight in module.parameters() if weight.requires_grad]
        self._adam = torch.optim.AdamW(
            trained,
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=not on_cpu,
        )
        config = deepspeed_config(training, processes.count, on_cpu)
        if processes.rank == 0:
            config_file.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        self._engine, *_ = _deepspeed().initialize(
            model=module, optimizer=self._adam, config=config, dist_init_required=False
        )

    def __call__(self, *inputs: Any) -> Any:
        """Run the module's forward."""
        return self._engine(*inputs)

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradients of one pass; the `last` one of a step exchanges them.

        The loss of the batch is the sum over passes and ranks; DeepSpeed averages over the ranks,
        hence the factor.
        """
        self._engine.set_gradient_accumulation_boundary(last)
        self._engine.backward(loss * self._processes.count, scale_wrt_gas=False)

    def update(self, learning_rate: float) -> StepReport:
        """Step with the gradients that were added; a gradient that is not finite is thrown away."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        if self._is_plain:
            return self._plain_update(learning_rate)
        self._engine.step()
        norm = self._engine.get_global_grad_norm()
        # DeepSpeed says -1, infinite or nothing of a norm that is not finite.
        known = math.nan if norm is None or float(norm) < 0 else float(norm)
        return StepReport(learning_rate, known, applied=not self._engine.optimizer.overflow)

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights whole, in training precision; on the first rank only.

        Every rank must call it.
        """
        if self._stage == 3:
            whole_weights = self._engine._zero3_consolidated_16bit_state_dict(
                exclude_frozen_parameters=True
            )
        else:
            whole_weights = self._engine.module.state_dict()
        if self._processes.rank > 0:
            return {}
        module: nn.Module = self._engine.module
        trained = {
            name
            for name, weight in module.named_parameters(remove_duplicate=False)
            if weight.requires_grad
        }
        weights: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name in trained & whole_weights.keys():
            weight = whole_weights[name].detach().cpu().contiguous()
            # A head tied to the embedding is the same memory under two names, which safetensors
            # refuses to write.
            weights[name] = weight.clone() if weight.data_ptr() in seen else weight
            seen.add(weight.data_ptr())
        return weights

    def fragments(self) -> list[Fragment]:
        """Return what this rank's optimizer tensors hold of the weights."""
        names = {id(weight): name for name, weight in self._engine.module.named_parameters()}
        if self._is_plain:
            named = dict(self._engine.module.named_parameters())
            return whole({name: weight for name, weight in named.items() if weight.requires_grad})
        of = of_partitions if self._stage == 3 else of_flat_groups
        return of(self._engine.optimizer, names, self._processes.rank)

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Return this rank's flat master weights and moments as `<flat>.<kind>`."""
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
            if not own:  # this rank holds nothing but padding of it
                continue
            master.data.copy_(own.pop("master").view(master.shape))
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

    def _plain_update(self, learning_rate: float) -> StepReport:
        gradients = [w.grad for w in self._engine.module.parameters() if w.grad is not None]
        norm = float(nn.utils.get_total_norm(gradients))
        if finite := math.isfinite(norm):
            self._engine.step()
        else:
            self._engine.zero_grad()
        return StepReport(learning_rate, norm, applied=finite)

    def _masters(self) -> list[Tensor]:
        if self._stage == 3:
            # ZeRO-3 lends its flat weights to the optimizer only while it steps.
            return list(self._engine.optimizer.fp32_partitioned_groups_flat)
        return [weight for group in self._adam.param_groups for weight in group["params"]]


def dtype_of(training: TrainingSpec) -> torch.dtype:
    """Return the type of the weights in forward and backward."""
    return _DTYPES[training.precision]


def _deepspeed() -> Any:
    # DeepSpeed picks its accelerator when it is imported, and without this guesses from packages.
    os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
    import deepspeed

    # Plain gloo: the shared-memory all-reduce would call a C++ compiler at first use.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
