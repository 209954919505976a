"""What is written about each measured step."""

import statistics
from dataclasses import dataclass
from typing import Any

from harness.costs.devices import Device
from harness.costs.flops import pair_flops
from harness.costs.load import Load
from harness.costs.shapes import Shape


@dataclass(frozen=True)
class Measured:
    """One step as it was run."""

    step: str
    engine: str
    pairs: int
    positions: int
    """Of one forward pass of the policy, padding included."""
    seconds: tuple[float, ...]
    checkpointing: str = "off"
    layers_run_again: int = 0
    kernels: str = ""
    """Attention and small operations of the decoder; empty where the step has its own."""
    peak_bytes: int | None = None
    planned_bytes: int | None = None
    """What `plan` predicts; None for steps that are not ours."""
    loss: float | None = None
    fault: str | None = None
    """Why there are no seconds."""

    def row(self, shape: Shape, load: Load, device: Device) -> dict[str, Any]:
        """Return the step with its speed; useful work is the least that its pairs need."""
        row: dict[str, Any] = {**vars(self), "seconds": None}
        row |= dict.fromkeys(
            ("seconds_least", "seconds_most", "pairs_per_second", "tokens_per_second")
        )
        row |= {"utilisation": None, "peak_over_plan": None}
        if self.peak_bytes is not None and self.planned_bytes is not None:
            row["peak_over_plan"] = self.peak_bytes / self.planned_bytes
        if not self.seconds:
            return row
        # A host that does other work now and then makes single steps several times as long.
        median = statistics.median(self.seconds)
        row |= {
            "seconds": median,
            "seconds_least": min(self.seconds),
            "seconds_most": max(self.seconds),
            "seconds_all": self.seconds,
            "pairs_per_second": self.pairs / median,
            "tokens_per_second": self.positions / median,
        }
        if device.bf16_flops is not None:
            row["utilisation"] = self.pairs * pair_flops(shape, load) / median / device.bf16_flops
        return row
