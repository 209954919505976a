"""Which setting of a training step fits into the memory of a device, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.costs.load import Load
from harness.costs.memory import Memory, Setting, checkpointed_layers, memory
from harness.costs.shapes import Shape
from harness.errors import ConfigError


@dataclass(frozen=True)
class Choice:
    """A setting with what it takes."""

    setting: Setting
    checkpointed: int
    """Decoder layers that are run again."""
    memory: Memory
    why: str
    changes: Mapping[str, Any]
    """Fields of `training` that differ from what was asked for."""

    @property
    def options(self) -> str:
        """The changes as options of the command line."""
        return " ".join(f"--set training.{key}={value}" for key, value in self.changes.items())


def as_asked(shape: Shape, setting: Setting, load: Load, memory_bytes: int) -> Choice:
    """Return the setting itself, with as many checkpointed layers as it asks for.

    Where `auto` asks for checkpointing and not even all layers suffice, all of them are taken;
    the memory then does not fit.
    """
    asked = setting.training.gradient_checkpointing
    if asked == "auto":
        try:
            layers = checkpointed_layers(shape, setting, load, memory_bytes)
        except ConfigError:
            layers = shape.layers
        why = "the fewest that fit" if layers else "all activations fit"
    else:
        layers = shape.layers if asked else 0
        why = f"training.gradient_checkpointing is {str(asked).lower()}"
    return Choice(setting, layers, memory(shape, setting, load, layers), why, {})


def choose(shape: Shape, setting: Setting, load: Load, memory_bytes: int) -> Choice | None:
    """Return the first setting that fits; None where nothing does.

    What costs least comes first: the setting as asked for; some layers run again; smaller passes,
    which run forward twice; ZeRO-3, which sends the weights around; the optimizer, and then the
    weights too, in CPU memory.
    """
    for changes in _candidates(setting):
        changed = setting.changed(**changes)
        found = as_asked(shape, changed, load, memory_bytes)
        if found.memory.fits(memory_bytes):
            return Choice(changed, found.checkpointed, found.memory, found.why, changes)
    return None


def _candidates(setting: Setting) -> Iterator[dict[str, Any]]:
    """Yield changes of the setting, each a set of fields."""
    training = setting.training
    several = training.devices > 1
    places: list[dict[str, Any]] = [{}]
    if several and training.zero_stage < 3:
        places.append({"zero_stage": 3})
    if setting.on_cpu:
        places = [place for place in places if not place]
    elif training.offload == "none":
        staged = {"zero_stage": 3} if several and training.zero_stage < 3 else {}
        if training.zero_stage == 0:
            staged = {"zero_stage": 3 if several else 1}
        places.append({**staged, "offload": "optimizer"})
    if not setting.on_cpu and training.offload != "optimizer_and_weights":
        staged = {"zero_stage": 3} if training.zero_stage < 3 else {}
        places.append({**staged, "offload": "optimizer_and_weights"})
    for place in places:
        yield place
        recomputed: dict[str, Any] = {**place, "gradient_checkpointing": "auto"}
        yield recomputed
        pairs = min(setting.share, training.pairs_per_pass or setting.share)
        while pairs > 1:
            pairs //= 2
            yield {**recomputed, "pairs_per_pass": pairs}
