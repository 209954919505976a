"""bfloat16 matrices multiplied in float32 are rounded once, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from harness.training.step import wide_products as module
from harness.training.step.wide_products import product, wide_products

CPU = torch.device("cpu")
ROUNDING = 2**-8
"""Half a step of bfloat16, relative to the number."""


@pytest.fixture
def old_cpu(monkeypatch):
    monkeypatch.setattr(module, "_multiplies_bfloat16", lambda: False)


def numbers(seed, *sizes):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)).bfloat16()


def test_known_values_and_one_rounding():
    left = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).bfloat16()
    right = torch.tensor([[5.0, 6.0], [7.0, 8.0]]).bfloat16()
    assert product(left, right).tolist() == [[19, 22], [43, 50]]
    # bfloat16 has no 257: added one after the other to 256, two ones would be lost.
    ones = torch.ones(2, 1).bfloat16()
    assert product(torch.tensor([[256.0, 1.0]]).bfloat16(), ones, ones[0]).item() == 258


@given(
    rows=st.integers(1, 7),
    inner=st.integers(1, 40),
    columns=st.integers(1, 40),
    at_once=st.integers(1, 200),
    transposed=st.booleans(),
    biased=st.booleans(),
)
def test_parts_of_any_width_give_the_product(rows, inner, columns, at_once, transposed, biased):
    left = numbers(0, rows, inner)
    right = numbers(1, columns, inner).t() if transposed else numbers(1, inner, columns)
    bias = numbers(2, columns) if biased else None
    exact = left.double() @ right.double() + (0 if bias is None else bias.double())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_AT_ONCE", at_once)
        found = product(left, right, bias)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), exact, rtol=1.01 * ROUNDING, atol=1e-5)


def layer_with_gradients():
    """Return what a biased layer gives, and the gradients of its input, weight and bias."""
    given = [numbers(0, 5, 3, 64), numbers(1, 32, 64), numbers(2, 32)]
    for value in given:
        value.requires_grad_()
    result = linear(*given)
    result.backward(numbers(3, 5, 3, 32))
    return [result.detach(), *(value.grad for value in given)]


def test_a_layer_and_its_gradients_are_multiplied_so(old_cpu, monkeypatch):
    calls = []

    def counted(*matrices):
        calls.append([tuple(matrix.shape) for matrix in matrices])
        return product(*matrices)

    with monkeypatch.context() as patch:
        patch.setitem(module._PRODUCTS, torch.ops.aten.mm.default, counted)
        with wide_products(CPU, torch.bfloat16):
            wide = layer_with_gradients()
    assert sorted(calls) == [[(15, 32), (32, 64)], [(32, 15), (15, 64)]]
    for ours, torchs in zip(wide, layer_with_gradients(), strict=True):
        torch.testing.assert_close(ours, torchs, rtol=4 * ROUNDING, atol=4 * ROUNDING)


@pytest.fixture
def calls(monkeypatch):
    """Which products were taken over, in this order; torch multiplies them nevertheless."""
    seen = []

    def noted(func):
        return lambda *matrices: (seen.append(func), func(*matrices))[1]

    for func in tuple(module._PRODUCTS):
        monkeypatch.setitem(module._PRODUCTS, func, noted(func))
    return seen


def test_other_dtypes_and_devices_are_left_alone(old_cpu, calls):
    with wide_products(CPU, torch.float32), wide_products(torch.device("meta"), torch.bfloat16):
        layer_with_gradients()
    with wide_products(CPU, torch.bfloat16):
        torch.eye(2) @ torch.eye(2)
        assert calls == [], "that was float32"
        layer_with_gradients()
    aten = torch.ops.aten
    assert calls == [aten.addmm.default, aten.mm.default, aten.mm.default]


def test_a_cpu_with_the_instructions_uses_them(calls, monkeypatch):
    monkeypatch.setattr(module, "_multiplies_bfloat16", lambda: True)
    with wide_products(CPU, torch.bfloat16):
        layer_with_gradients()
    assert calls == []
