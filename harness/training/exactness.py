"""What is refused before a run: kernels that do not run on the device, or not exactly."""

from collections.abc import Callable, Mapping
from textwrap import shorten

import torch

from harness.errors import TrainingError

TOLERANCE = {
    torch.float64: 1e-9,
    torch.float32: 1e-5,
    torch.bfloat16: 1e-2,
    torch.float16: 1e-2,
}
"""Of a tensor's relative error; a wrong mask or alignment makes more than ten times that."""
MISSING = (RuntimeError, ImportError, OSError, ValueError, TypeError)
"""What a package or compiler raises that does not run here."""
_SHOWN = 200
"""Characters of another library's message."""

Errors = Callable[[str, torch.device, torch.dtype], Mapping[str, float]]
"""Relative error by tensor of the kernels of a name."""


def check_exact(
    setting: str, name: str, instead: str, device: torch.device, dtype: torch.dtype, errors: Errors
) -> None:
    """Refuse kernels that are not exact on a device.

    Args:
        setting: Of `training`, which chooses them.
        name: Its value.
        instead: The value that runs everywhere.
        device: Where they would run.
        dtype: Of what they would compute.
        errors: Compares them.

    Raises:
        TrainingError: They do not run here, or not exactly.
    """
    advice = f"Take what runs everywhere: --set training.{setting}={instead}."
    try:
        found = errors(name, device, dtype)
    except MISSING as error:
        raise TrainingError(
            f"training.{setting} {name} does not run on {device.type} in {dtype} "
            f"({shorten(str(error), _SHOWN)}). {advice}"
        ) from error
    worst = max(found, key=lambda tensor: found[tensor])
    # Not `>`: an error that is no number is one too.
    if not found[worst] <= TOLERANCE[dtype]:
        raise TrainingError(
            f"training.{setting} {name} is wrong on {device.type} in {dtype}: the relative error "
            f"of its {worst} is {found[worst]:.1e}, more than {TOLERANCE[dtype]:.0e}. {advice}"
        )
