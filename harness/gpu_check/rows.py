"""What is written about each measured step."""

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
        mean = sum(self.seconds) / len(self.seconds)
        row |= {
            "seconds": mean,
            "seconds_least": min(self.seconds),
            "seconds_most": max(self.seconds),
            "pairs_per_second": self.pairs / mean,
            "tokens_per_second": self.positions / mean,
        }
        if device.bf16_flops is not None:
            row["utilisation"] = self.pairs * pair_flops(shape, load) / mean / device.bf16_flops
        return row
