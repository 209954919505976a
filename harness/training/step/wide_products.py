"""Products of bfloat16 matrices on a CPU that has no instructions for them.

There torch multiplies number by number: with AVX2 alone the gradient of a layer's input takes a
hundred times as long as in float32. Products of bfloat16 numbers are exact in float32 and sums are
kept in it either way, so that the results are the same but for the order of the sum.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import BFloat16
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_AT_ONCE = 2**24
"""Numbers of the second matrix that stand in float32 at a time: 64 MiB."""


@contextmanager
def wide_products(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Multiply matrices in float32 while this lasts, where the device needs it for this dtype."""
    if device.type == "cpu" and dtype == torch.bfloat16 and not _multiplies_bfloat16():
        with _WideProducts():  # type: ignore[no-untyped-call]
            yield
    else:
        yield


def product(
    left: BFloat16[Tensor, "rows inner"],
    right: BFloat16[Tensor, "inner columns"],
    bias: Tensor | None = None,
) -> BFloat16[Tensor, "rows columns"]:
    """Multiply and add in float32, then round; `right` is widened a few columns at a time.

    Args:
        left: Widened as a whole.
        right: Usually a weight, the larger one.
        bias: One number per column, or what broadcasts to the result.
    """
    wide = left.float()
    added = None if bias is None else bias.expand(left.shape[0], right.shape[1])
    result = left.new_empty(left.shape[0], right.shape[1])
    step = max(1, _AT_ONCE // max(1, right.shape[0]))
    for start in range(0, right.shape[1], step):
        columns = slice(start, start + step)
        part = wide @ right[:, columns].float()
        result[:, columns] = part if added is None else part + added[:, columns]
    return result


class _WideProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Products of two matrices, which are all that linear layers and their gradients take."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not kwargs and func in _PRODUCTS and args[-1].dtype == torch.bfloat16:
            return _PRODUCTS[func](*args)
        return func(*args, **(kwargs or {}))


_PRODUCTS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.mm.default: product,
    torch.ops.aten.addmm.default: lambda bias, left, right: product(left, right, bias),
}


def _multiplies_bfloat16() -> bool:
    mkldnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
