"""The device that is checked. Imports torch alone, so that a missing one is told at once."""

import torch

from harness.costs.devices import Device, local_device, recognised
from harness.errors import PreflightError


def found_device(where: str) -> torch.device:
    """Return the first device of a type.

    Raises:
        PreflightError: There is no CUDA device.
    """
    if where == "cuda" and not torch.cuda.is_available():
        raise PreflightError(
            "no CUDA device found; this command measures a GPU. --device cpu runs the same code "
            "on a CPU, for which --size tiny is meant."
        )
    return torch.device(where, 0) if where == "cuda" else torch.device(where)


def kind_of(device: torch.device) -> Device:
    """Return what is known of a device by its name."""
    if device.type == "cpu":
        return local_device()
    properties = torch.cuda.get_device_properties(device)
    return recognised(properties.name, properties.total_memory)
