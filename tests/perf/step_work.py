"""What one step holds in memory and computes: live bytes, counted operations, a profile."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

import torch
from step_setting import Size
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from harness.costs.flops import pair_flops
from harness.data.rows.batch import TokenizedPair
from harness.gpu_check.made import mean_load

_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::mkldnn_convolution")


class LiveBytes(TorchDispatchMode):
    """Follow every storage that an operation makes until the last tensor over it is gone.

    Counts what PyTorch allocates for tensors, in forward, backward and recomputation; not scratch
    memory inside a kernel, and not what the allocator keeps of freed tensors. Where it keeps
    nothing (MALLOC_MMAP_THRESHOLD_=65536) the rise of the resident memory, VmHWM over VmRSS, was
    within 1 % of it at the middle size: 789, 258 and 1217 MiB for 788, 257 and 1211.
    """

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self._live: dict[int, int] = {}
        self._events: list[tuple[int, int]] = []

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            self._seen(tensor, new=False)
        found = func(*args, **kwargs)
        for tensor in _tensors(found):
            self._seen(tensor, new=True)
        return found

    def peak(self, without: Iterable[Tensor] = ()) -> int:
        """Return the most bytes alive at once, leaving out the storages of some tensors."""
        left_out = {self._live.get(tensor.untyped_storage()._cdata) for tensor in without}
        sizes = [size for number, size in self._events if number not in left_out]
        return max(accumulate(sizes), default=0)

    def _seen(self, tensor: Tensor, new: bool) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._live:
            return
        number, size = next(self._numbers), storage.nbytes() if new else 0
        self._live[storage._cdata] = number
        self._events.append((number, size))
        weakref.finalize(storage, self._gone, storage._cdata, size)

    def _gone(self, address: int, size: int) -> None:
        self._events.append((self._live.pop(address), -size))


def _tensors(values) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


@dataclass(frozen=True)
class Counts:
    """What one step computed and held."""

    loss: float
    peak_bytes: int
    """Most bytes at once besides weights and their gradients, which are as many for everybody and
    stay until the update. Batch, image features and logits count."""
    flops: int
    """Of matrix products, forward and backward; a multiply-add is two."""


def counted(step: Callable[[], Tensor], trained: nn.Module) -> Counts:
    """Run a step twice and count. Causal attention is half a square, as the kernel runs it."""
    # Twice, because the FLOP counter holds gradients that it has seen.
    trained.zero_grad(set_to_none=True)
    with LiveBytes() as live:
        loss = float(step())
    peak = live.peak(w.grad for w in trained.parameters() if w.grad is not None)
    trained.zero_grad(set_to_none=True)
    mapping = {_ATTENTION: _forward_flops, _ATTENTION_BACKWARD: _backward_flops}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        step()
    trained.zero_grad(set_to_none=True)
    return Counts(loss, peak, counter.get_total_flops())


def _forward_flops(query, key, value, _dropout=0.0, is_causal=False, *_, **__) -> int:
    whole = sdpa_flop_count(query.shape, key.shape, value.shape)
    return whole // 2 if is_causal else whole


def _backward_flops(grad, query, key, value, _out, _lse, _dropout, is_causal, *_, **__) -> int:
    whole = sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape)
    return whole // 2 if is_causal else whole


_forward_flops._get_raw = _backward_flops._get_raw = True  # they read tensors, not shapes


def floor_flops(pairs: Sequence[TokenizedPair], size: Size) -> float:
    """Return the least work for these pairs by the product's own formula, at their mean length."""
    return len(pairs) * pair_flops(size.shape, mean_load(size.shape, pairs))


def profiled(step: Callable[[], Tensor], vocabulary: int) -> dict[str, float]:
    """Return the share of a step's time by kind of work.

    What has the vocabulary among the shapes of its inputs is the head's, without regard to kind;
    what runs inside the marks `vision` and `collate` is theirs.
    """
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as found:
        step()
    seconds: dict[str, float] = {}
    for event in found.events():
        kind = _kind(event, vocabulary)
        seconds[kind] = seconds.get(kind, 0.0) + event.self_cpu_time_total
    whole = sum(seconds.values())
    return {kind: time / whole for kind, time in sorted(seconds.items(), key=lambda x: -x[1])}


def _kind(event, vocabulary: int) -> str:
    parent = event
    while parent is not None:
        if parent.name in ("vision", "collate"):
            return parent.name
        parent = parent.cpu_parent
    if any(vocabulary in shape for shape in event.input_shapes if isinstance(shape, list)):
        return "head"
    if "scaled_dot_product" in event.name:
        return "attention"
    return "matrix products" if event.name in _PRODUCTS else "elementwise and copies"
