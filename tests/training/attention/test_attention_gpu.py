"""Kernels for the packed row on a GPU: exact, and equal from run to run."""

import pytest
import torch

from harness.data.rows.packing import pack
from harness.training.attention.choose import FUNCTIONS, relative_errors, use_attention

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ON_GPU = [
    ("flex", torch.float32),
    ("flex", torch.bfloat16),
    ("varlen", torch.bfloat16),
    ("segments", torch.bfloat16),
]


@pytest.mark.parametrize(("name", "dtype"), ON_GPU)
def test_gpu_kernels_are_exact(name, dtype):
    """Alignment of the causal part included: the made row has queries with ancestors."""
    errors = relative_errors(name, torch.device("cuda"), dtype)
    assert max(errors.values()) <= (1e-5 if dtype == torch.float32 else 1e-2)


@pytest.mark.parametrize(("name", "dtype"), ON_GPU)
def test_gpu_gradients_are_equal_from_run_to_run(name, dtype):
    """Where torch is told to be deterministic; FlashAttention adds up in any order otherwise."""
    row, _ = pack([[1] * 300 + [2] * 90, [1] * 300 + [3] * 70, [4] * 150], [300, 300, 1])
    row = row.to(torch.device("cuda"))
    states = [
        torch.randn(1, heads, row.positions, 64, device="cuda", dtype=dtype, requires_grad=True)
        for heads in (4, 2, 2)
    ]
    torch.use_deterministic_algorithms(True)
    try:
        runs = [
            torch.autograd.grad(output.square().sum(), states)
            for output, _ in (
                FUNCTIONS[name](None, *states, None, scaling=0.1, packed_row=row) for _ in range(5)
            )
        ]
    finally:
        torch.use_deterministic_algorithms(False)
    for run in runs[1:]:
        assert all(torch.equal(*both) for both in zip(run, runs[0], strict=True))


def test_gpu_chooses_the_variable_length_kernel_for_half_precision():
    assert use_attention("auto", torch.device("cuda"), torch.bfloat16) == "packed_varlen"
    assert use_attention("auto", torch.device("cuda"), torch.float32) == "packed_segments"
