"""Engines of one device: DeepSpeed's, or plain torch where that is missing or does not fit."""

import importlib.util
import math
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.settings.spec import TrainingSpec
from harness.training.step.engine import DeepSpeedEngine, TorchProcesses
from harness.training.step.protocols import Engine, Processes, StepReport

EngineName = Literal["deepspeed", "torch", "none"]
SAID: dict[EngineName, str] = {
    "deepspeed": "DeepSpeed ZeRO-1",
    "torch": "torch AdamW",
    "none": "no optimizer",
}


@dataclass(frozen=True)
class OneProcess:
    """A process alone, without a process group."""

    device: torch.device
    rank: int = 0
    count: int = 1

    def barrier(self) -> None:
        """There is nobody to wait for."""

    def gather(self, values: Tensor) -> Tensor:
        """Return the values, detached."""
        return values.detach()

    def sum(self, values: Tensor) -> Tensor:
        """Return the values, detached."""
        return values.detach().clone()

    def close(self) -> None:
        """There is no group to leave."""


class TorchEngine:
    """AdamW over float32 copies of the weights, as ZeRO-1 keeps them; or no optimizer at all.

    It updates weight by weight, so that float32 gradients exist of one weight at a time.
    """

    def __init__(self, module: nn.Module, learning_rate: float, optimizer: bool) -> None:
        self._module = module
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self._updates = [_Update(one, learning_rate) for one in self._weights if optimizer]

    def __call__(self, *inputs: Any) -> Any:
        """Run the module's forward."""
        return self._module(*inputs)

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add the gradients of one pass."""
        torch.autograd.backward(loss)

    def update(self, learning_rate: float) -> StepReport:
        """Step with the gradients that were added; the rate stays as it was given."""
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        norm = float(nn.utils.get_total_norm(gradients))
        finite = math.isfinite(norm)
        if finite:
            for update in self._updates:
                update()
        self._module.zero_grad()
        return StepReport(learning_rate, norm, applied=finite)


class _Update:
    """One weight with its float32 copy and moments."""

    def __init__(self, weight: nn.Parameter, learning_rate: float) -> None:
        self._weight = weight
        self._copy = weight.detach().float().clone()
        fused = weight.device.type == "cuda"
        self._adam = torch.optim.AdamW([self._copy], lr=learning_rate, fused=fused)

    def __call__(self) -> None:
        if self._weight.grad is None:
            return
        self._copy.grad = self._weight.grad.float()
        self._adam.step()
        self._copy.grad = None
        self._weight.data.copy_(self._copy)


def has_deepspeed() -> bool:
    """Say whether DeepSpeed is installed."""
    return importlib.util.find_spec("deepspeed") is not None


def processes(name: EngineName, device: torch.device) -> Processes:
    """Return this process, in a group of its own where DeepSpeed wants one."""
    if name != "deepspeed":
        return OneProcess(device)
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    os.environ.update({**alone, "MASTER_PORT": str(_free_port())})
    if device.type == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    return TorchProcesses()


def engine(
    name: EngineName, module: nn.Module, training: TrainingSpec, here: Processes, folder: Path
) -> Engine:
    """Return the engine of a module.

    Args:
        name: Which one.
        module: What is trained.
        training: Its settings.
        here: What `processes` returned.
        folder: Gets DeepSpeed's configuration.
    """
    if name == "deepspeed":
        return DeepSpeedEngine(module, training, here, folder / "deepspeed.json")
    return TorchEngine(module, training.learning_rate, optimizer=name == "torch")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
