"""Memory of a training step on one device, counted before anything is loaded; imports no torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.costs.activations import FLOAT, Kept, kept, vision_working
from harness.costs.flops import pair_flops
from harness.costs.load import Load, fitting_pairs, largest_load
from harness.costs.shapes import Shape
from harness.errors import ConfigError
from harness.settings.spec import ModelSpec, TrainingSpec

__all__ = [
    "Load",
    "Memory",
    "Setting",
    "checkpointed_layers",
    "largest_load",
    "memory",
    "pair_flops",
]

RESERVE = 0.07
"""Share of a device that stays free, for its driver's context and for holes between tensors."""
_BYTES = {"float32": 4, "bfloat16": 2}
_MOMENTS = 2 * FLOAT
_LIVE_WEIGHTS = 1_000_000_000
"""Most gathered numbers. Source: DeepSpeed's default of stage3_max_live_parameters."""
_SUB_GROUP = 1_000_000_000
"""Numbers that ZeRO-3 updates together. Source: DeepSpeed's default of sub_group_size."""


@dataclass(frozen=True)
class Setting:
    """How a step is shared between devices and what it keeps."""

    training: TrainingSpec
    lora_rank: int = 0
    on_cpu: bool = False

    @classmethod
    def of(cls, training: TrainingSpec, model: ModelSpec, on_cpu: bool = False) -> "Setting":
        """Read the fields of a run that matter."""
        return cls(training, model.lora_rank, on_cpu)

    def changed(self, **values: object) -> "Setting":
        """Return the setting with other fields of `training`."""
        return replace(self, training=self.training.model_copy(update=values))

    @property
    def number(self) -> int:
        """Bytes of a number in forward."""
        return _BYTES[self.training.precision]

    @property
    def attention(self) -> str:
        """The kernel; what `auto` takes on a GPU in bfloat16 and elsewhere."""
        name = self.training.attention
        if name != "auto":
            return name
        return "segments" if self.on_cpu or self.training.precision == "float32" else "varlen"

    @property
    def fused(self) -> bool:
        """Whether norms and activations run by one kernel each; as `auto` chooses, likewise."""
        name = self.training.kernels
        if name != "auto":
            return name != "torch"
        return not self.on_cpu and self.training.precision == "bfloat16"

    @property
    def share(self) -> int:
        """Pairs of a step on one device."""
        return max(self.training.batch_pairs // self.training.devices, 1)

    @property
    def bucket(self) -> int:
        """Numbers that are reduced together."""
        return SMALL_BUCKET if self.on_cpu else BUCKET

    def pass_of(self, load: Load) -> Load:
        """Return what one pass runs of a device's share."""
        whole = load.of_pairs(self.share)
        training = self.training
        pairs = fitting_pairs(whole, training.pairs_per_pass, training.tokens_per_pass)
        return whole.of_pairs(pairs)

    def passes(self, load: Load) -> int:
        """Return how many passes a step takes on a device."""
        return math.ceil(self.share / self.pass_of(load).pairs)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at its fullest moment, by part."""

    weights: int
    vision_tower: int
    gradients: int
    optimizer: int
    communication: int
    """Buckets that are reduced, and under ZeRO-3 the weights that are gathered."""
    activations: int
    working: int
    """What exists for a moment only: gradients of activations, or float32 gradients of a step."""
    moment: str
    cpu: int
    """Bytes in CPU memory for this device, where something is offloaded."""
    live_reference: int = 0
    """Weights of the reference, whole, where it runs in every step."""

    @property
    def states(self) -> int:
        """Weights, gradients and optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """All parts on the device."""
        fixed = self.states + self.live_reference + self.vision_tower + self.communication
        return fixed + self.activations + self.working

    def fits(self, memory_bytes: int) -> bool:
        """Say whether a device of this size has room for it, with the reserve."""
        return self.total <= memory_bytes * (1 - RESERVE)


@dataclass(frozen=True)
class _Moment:
    name: str
    activations: int
    working: int
    gradients: int


def memory(shape: Shape, setting: Setting, load: Load, checkpointed: int | None = None) -> Memory:
    """Return the peak of one device.

    The gradients of ZeRO-2 and 3 have their place before backward begins; otherwise they grow
    while activations are freed, layer by layer, and so do not meet the largest activations.

    Args:
        shape: Sizes of the model.
        setting: Devices, ZeRO stage and the rest.
        load: Lengths of the pairs; how many run at once comes from the setting.
        checkpointed: Decoder layers, the first ones, that are run again; None: as the setting says,
            where `auto` stands for none.
    """
    if checkpointed is None:
        checkpointed = shape.layers if setting.training.gradient_checkpointing is True else 0
    one_pass = setting.pass_of(load)
    tensors = kept(shape, one_pass, setting.number, setting.attention, setting.fused)
    states = _states(shape, setting)
    early = setting.training.zero_stage >= 2 or setting.passes(load) > 1
    moments = [*_backward(shape, tensors, states.gradients, checkpointed, early)]
    vision = vision_working(shape, one_pass, setting.number)
    moments.append(_Moment("vision tower", 0, vision, states.gradients if early else 0))
    moments.append(_Moment("optimizer step", 0, _step_working(shape, setting), states.gradients))
    fullest = max(moments, key=lambda at: at.activations + at.working + at.gradients)
    return replace(
        states,
        gradients=fullest.gradients,
        activations=fullest.activations,
        working=fullest.working,
        moment=fullest.name,
        live_reference=_live_reference(shape, setting) if load.live else 0,
    )


def checkpointed_layers(
    shape: Shape, setting: Setting, load: Load, memory_bytes: int, share_of: float = 1 - RESERVE
) -> int:
    """Return the fewest decoder layers to run again so that a step fits: 0 where none is needed.

    Args:
        shape: Sizes of the model.
        setting: Devices, ZeRO stage and the rest.
        load: The largest pass, as `largest_load` returns it.
        memory_bytes: Memory of a device.
        share_of: Share of it that may be used.

    Raises:
        ConfigError: Not even all layers suffice.
    """
    room = memory_bytes * share_of
    for layers in range(shape.layers + 1):
        found = memory(shape, setting, load, layers)
        if found.total <= room:
            return layers
    raise ConfigError(
        f"Gradient checkpointing of all {shape.layers} layers needs {found.total / 2**30:.1f} GiB "
        f"on a device, and {room / 2**30:.1f} GiB may be used. Set training.pairs_per_pass=1, a "
        "higher training.zero_stage or training.offload=optimizer, or take more devices."
    )


def trained_parameters(shape: Shape, lora_rank: int) -> int:
    """Return how many weights are trained.

    LoRA adds two thin matrices to each of a decoder layer's seven; the projector is trained whole.
    """
    if not lora_rank:
        return shape.trained_parameters
    h, k, f = shape.hidden, shape.key_width, shape.intermediate
    sides = 2 * (h + h) + 2 * (h + k) + 3 * (h + f)
    return shape.layers * lora_rank * sides + shape.projector_parameters


def _live_reference(shape: Shape, setting: Setting) -> int:
    """Return the bytes of a copy of what is trained, or under ZeRO-3 of all but the tower."""
    rank = setting.lora_rank if setting.training.zero_stage < 3 else 0
    return trained_parameters(shape, rank) * setting.number


def _backward(
    shape: Shape, tensors: Kept, gradients: int, checkpointed: int, early: bool
) -> Iterator[_Moment]:
    """Yield the moments of a backward pass that can be the fullest: the head, then every layer.

    The first layers are the checkpointed ones: the others' activations are gone before one of
    these is run again.
    """
    whole = [tensors.layer] * (shape.layers - 1) + [tensors.last_layer]
    held = [tensors.checkpointed_layer] * checkpointed + whole[checkpointed:]
    below = sum(held) + tensors.around
    grown = gradients if early else 0
    yield _Moment("backward of the head", below + tensors.head, tensors.head_working, grown)
    share = shape.layer_parameters / shape.trained_parameters
    above = shape.embedding_parameters / shape.trained_parameters
    for layer in reversed(range(shape.layers)):
        again = whole[layer] if layer < checkpointed else 0
        now = gradients if early else int(gradients * above)
        yield _Moment(
            "backward of a layer", below + again, tensors.layer_working, min(now, gradients)
        )
        below -= held[layer]
        above += share
    yield _Moment("end of backward", tensors.around, 0, gradients)


def _states(shape: Shape, setting: Setting) -> Memory:
    """Count what does not depend on the pass; ZeRO cuts it into one part per device.

    In bfloat16, and under ZeRO in float32 too, the optimizer holds float32 weights of its own
    besides two moments. Stage 1 cuts the optimizer, 2 also the gradients, 3 also the weights.
    """
    training, number = setting.training, setting.number
    stage, devices = training.zero_stage, training.devices
    trained = trained_parameters(shape, setting.lora_rank)
    frozen = shape.trained_parameters - shape.projector_parameters if setting.lora_rank else 0
    present = trained + frozen
    masters = 0 if stage == 0 and number == FLOAT else FLOAT
    optimizer = trained * (masters + _MOMENTS) // (devices if stage >= 1 else 1)
    gradients = trained * number // (devices if stage >= 2 else 1)
    weights = present * number // (devices if stage == 3 else 1)
    cpu = 0
    communication = _communication(setting, trained, present)
    if training.offload != "none":
        # The float32 gradients of the part go to the CPU with the optimizer.
        cpu += optimizer + trained * FLOAT // devices
        optimizer = gradients = 0
    if training.offload == "optimizer_and_weights":
        cpu, weights = cpu + weights, 0
    return Memory(
        weights=weights,
        vision_tower=shape.vision.parameters * number,
        gradients=gradients,
        optimizer=optimizer,
        communication=communication,
        activations=0,
        working=0,
        moment="",
        cpu=cpu,
    )


def _communication(setting: Setting, trained: int, present: int) -> int:
    """Buckets of gradients, two while one travels; under ZeRO-3 the gathered weights as well."""
    stage, number = setting.training.zero_stage, setting.number
    if stage == 0:
        return 0
    bucket = min(setting.bucket, trained) * number
    if stage == 3:
        return bucket + min(_LIVE_WEIGHTS, present) * number
    return bucket if setting.on_cpu else 2 * bucket


def _step_working(shape: Shape, setting: Setting) -> int:
    """Float32 gradients of a device's part, made when the optimizer steps."""
    training = setting.training
    if training.offload != "none" or training.zero_stage == 0:
        return 0
    part = trained_parameters(shape, setting.lora_rank) // training.devices
    return FLOAT * (min(part, _SUB_GROUP) if training.zero_stage == 3 else part)


SMALL_BUCKET = 500_000
"""Numbers. The default buckets hold 500 M: far more than a model that trains on a CPU."""
BUCKET = 200_000_000
"""Numbers that are reduced or gathered together on a GPU, 400 MB in bfloat16: large enough to use
the links, small enough that the first one leaves while backward still runs."""
