"""What a run takes: memory of a device, hours and disk, counted before anything is loaded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.costs.devices import CPU, Devices
from harness.costs.fit import Choice, as_asked, choose
from harness.costs.flops import pair_flops, reference_flops, step_flops
from harness.costs.load import Load
from harness.costs.memory import RESERVE, Setting, memory, trained_parameters
from harness.costs.shapes import Shape
from harness.costs.views import with_views
from harness.settings.spec import RunSpec

_GIB = 1 << 30
_TERA = 1e12
_FLOAT = 4
_INDEX = 16
"""Bytes of lengths and places that a cached pair takes."""


@dataclass(frozen=True)
class Costs:
    """What one run takes on given devices."""

    shape: Shape
    spec: RunSpec
    devices: Devices
    load: Load
    """Lengths of the pairs; how many run together says `choice`."""
    pairs: int | None
    choice: Choice
    """The setting as it was asked for, `auto` resolved."""
    better: Choice | None
    """The nearest setting that fits, where that one does not."""

    @property
    def fits(self) -> bool:
        """Whether a device has room, with the reserve."""
        return self.choice.memory.fits(self.devices.memory_bytes)

    @property
    def available(self) -> float:
        """Bytes of a device that may be used."""
        return self.devices.memory_bytes * (1 - RESERVE)

    @property
    def step_flops(self) -> float:
        """Work of a pair in training."""
        setting = self.choice.setting
        one_pass = setting.pass_of(self.load)
        passes = setting.passes(self.load)
        return step_flops(self.shape, one_pass, "ours", self.choice.checkpointed, passes)

    def hours(self, flops: float, pairs: float) -> float | None:
        """Return the time of some work per pair on all devices; None without a known peak."""
        kind = self.devices.kind
        if kind.bf16_flops is None or self.spec.training.precision != "bfloat16":
            return None
        speed = self.devices.count * kind.bf16_flops * kind.utilisation
        return flops * pairs / speed / 3600

    def problem(self) -> str | None:
        """Say why the setting is refused; None where it fits."""
        kind = self.devices.kind
        if self.spec.training.precision == "bfloat16" and not kind.has_bf16:
            return (
                f"{self.devices} cannot compute in bfloat16. Take others, or --set "
                "training.precision=float32, which needs twice the memory."
            )
        if self.fits:
            return None
        need = f"{_gib(self.choice.memory.total)} needed on a device"
        there = f"{_gib(self.available)} of {_gib(self.devices.memory_bytes)} can be used there"
        told = f"{self.spec.size} on {self.devices}: {need}, {there}; "
        if self.better is None:
            return told + "no setting makes it fit. Take more or larger devices."
        left = f"({_gib(self.better.memory.total)}"
        cpu = self.better.memory.cpu * self.devices.count
        left += f", and {_gib(cpu)} of CPU memory)" if cpu else ")"
        return f"{told}it would fit with {self.better.options} {left}"

    def memory_rows(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a device's memory, their sum and what there is."""
        found = self.choice.memory
        yield "trained weights" if not self.spec.model.lora_rank else "weights", _gib(found.weights)
        if found.live_reference:
            yield "reference, which runs in every step", _gib(found.live_reference)
        yield "vision tower, frozen and whole", _gib(found.vision_tower)
        yield "gradients", _gib(found.gradients)
        yield "optimizer: float32 weights and two moments", _gib(found.optimizer)
        yield "communication: buckets, gathered weights", _gib(found.communication)
        yield "activations and logits", _gib(found.activations)
        yield f"working memory, {found.moment}", _gib(found.working)
        yield "total", _gib(found.total)
        yield f"available, {RESERVE:.0%} kept free", _gib(self.available)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield everything else, as text."""
        yield "devices", f"{self.devices}, {_gib(self.devices.memory_bytes)} each"
        training = self.choice.setting.training
        yield "ZeRO stage, offload", f"{training.zero_stage}, {training.offload}"
        if self.choice.memory.cpu:
            whole = self.choice.memory.cpu * self.devices.count
            yield "CPU memory, offloaded", f"{_gib(whole)} over all machines"
        yield "memory of a device", self._fit()
        yield (
            "gradient checkpointing",
            f"{self.choice.checkpointed} of {self.shape.layers} decoder layers: {self.choice.why}",
        )
        yield "a step on a device", self._passes()
        yield "activations without packing", self._unpacked()
        yield from self._time()
        parts = dict(self.disk())
        listed = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in parts.items())
        yield "disk of a run, GB", f"{sum(parts.values()) / 1e9:.1f}: {listed}"

    def disk(self) -> Iterator[tuple[str, int]]:
        """Yield what lies on the disk when most does, in bytes.

        A checkpoint holds the trained weights and, in float32, weights and moments; a new one is
        complete before the oldest goes.
        """
        setting = self.choice.setting
        trained = trained_parameters(self.shape, self.spec.model.lora_rank)
        checkpoint = trained * (setting.number + 3 * _FLOAT)
        yield "base model", self.shape.parameters * setting.number
        yield "checkpoints", checkpoint * (setting.training.keep_checkpoints + 1)
        yield "trained model", self.shape.parameters * setting.number
        if self.pairs is not None:
            logps = 2 * self.load.response * _FLOAT + _INDEX
            tokens = (self.load.prompt + 2 * self.load.response) * _FLOAT + _INDEX
            yield "reference log-probabilities and tokens", self.pairs * (logps + tokens)
        if limit := setting.training.vision_cache_gb:
            yield "vision features, at most", int(limit * 1e9)

    def _fit(self) -> str:
        room = self.available - self.choice.memory.total
        told = f"{_gib(self.choice.memory.total)} of {_gib(self.available)}"
        return f"{told}: fits, {_gib(room)} left" if self.fits else f"{told}: does not fit"

    def _passes(self) -> str:
        one_pass = self.choice.setting.pass_of(self.load)
        passes = self.choice.setting.passes(self.load)
        times = "one pass" if passes == 1 else f"{passes} passes, each forward twice,"
        return (
            f"{times} of {one_pass.pairs} pairs in {one_pass.positions:,} positions (prompts of "
            f"{one_pass.prompt}, responses of {one_pass.response} tokens)"
        )

    def _unpacked(self) -> str:
        """Compare with the step that runs every response with its own prompt and image."""
        load = replace(self.load, packed=False, branches=(2,), live=())
        plain = memory(self.shape, self.choice.setting, load, self.choice.checkpointed)
        ours = self.choice.memory.activations + self.choice.memory.working
        theirs = plain.activations + plain.working
        return f"{_gib(theirs)} instead of {_gib(ours)}, {_gib(plain.total)} in all"

    def _time(self) -> Iterator[tuple[str, str]]:
        floor = pair_flops(self.shape, self.choice.setting.pass_of(self.load))
        released = step_flops(self.shape, self.load, "released", self.shape.layers)
        yield (
            "work per pair",
            f"{self.step_flops / _TERA:.4g} TFLOP in training (least possible "
            f"{floor / _TERA:.4g}, released step {released / _TERA:.4g})",
        )
        kind = self.devices.kind
        known = self.hours(self.step_flops, 1000)
        if known is None or kind.bf16_flops is None:
            why = "on a CPU" if kind.name == CPU else f"for {self.spec.training.precision} here"
            yield "training", f"time not known: no peak is known {why}"
            return
        origin = f"measured on {kind.measured}" if kind.measured else "assumed"
        peak = kind.bf16_flops / _TERA
        speed = f"at {kind.utilisation:.0%} of {peak:.0f} TFLOP/s per device ({origin})"
        thousand = f"{known:.3g} h per 1,000 pairs and epoch, {speed}"
        reference = reference_flops(self.shape, self.choice.setting.pass_of(self.load))
        if self.pairs is None:
            yield "training", thousand
            return
        epochs = self.spec.training.epochs
        whole = self.hours(self.step_flops, self.pairs * epochs)
        yield "training", f"{whole:.1f} h for {self.pairs:,} pairs, {epochs:g} epochs; {thousand}"
        once = self.hours(reference, self.pairs)
        yield "reference pass", f"{once:.1f} h, once for all methods, seeds and epochs"


def costs_of(spec: RunSpec, shape: Shape, devices: Devices, pairs: int | None) -> Costs:
    """Count what a run takes on these devices."""
    setting = Setting.of(
        spec.training.model_copy(update={"devices": devices.count}),
        spec.model,
        on_cpu=devices.name == CPU,
    )
    load = with_views(Load(image=shape.image_tokens), spec)
    room = devices.memory_bytes
    asked = as_asked(shape, setting, load, room)
    better = None if asked.memory.fits(room) else choose(shape, setting, load, room)
    return Costs(shape, spec, devices, load, pairs, asked, better)


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
