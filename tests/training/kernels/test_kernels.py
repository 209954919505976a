"""The decoder's small operations: what they compute, who takes which, and what a wrong one says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm

from harness.costs.activations import kept
from harness.costs.load import Load
from harness.costs.memory import Setting
from harness.costs.shapes import LLAVA_7B
from harness.errors import TrainingError
from harness.gpu_check.made import TINY, made_model, unfused
from harness.gpu_check.steps.ours import training_spec
from harness.training.kernels import choose, operations
from harness.training.kernels.choose import EVERYWHERE, fuse, relative_errors, use_kernels

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("kind", [LlamaRMSNorm, Qwen2_5_VLRMSNorm])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_plain_operations_are_those_of_transformers(random, kind, dtype):
    hidden = torch.randn(1, 5, 16, generator=random).to(dtype)
    module = kind(16, eps=1e-5).to(dtype)
    assert torch.equal(operations.norm(hidden, module.weight, 1e-5), module(hidden))
    query, key = (torch.randn(1, 2, 5, 8, generator=random).to(dtype) for _ in range(2))
    cos, sin = (torch.randn(1, 5, 8, generator=random).to(dtype) for _ in range(2))
    ours, theirs = (by(query, key, cos, sin) for by in (operations.rotated, apply_rotary_pos_emb))
    assert all(torch.equal(*both) for both in zip(ours, theirs, strict=True))


def test_a_norm_by_hand():
    """(3, 4) has a mean square of 12.5: 3 / sqrt(12.5) * 2 and 4 / sqrt(12.5) * 10."""
    found = operations.norm(torch.tensor([[3.0, 4.0]]), torch.tensor([2.0, 10.0]), 0.0)
    assert found[0].tolist() == pytest.approx([1.6970563, 11.3137085])


def test_a_gate_by_hand():
    """SiLU(1) = 1 / (1 + e^-1) = 0.7310586."""
    assert operations.gated(torch.tensor(1.0), torch.tensor(3.0)) == pytest.approx(2.1931758)


@pytest.mark.processes
def test_ligers_kernels_give_the_decoders_numbers_and_gradients():
    """In float32, by Triton's interpreter, layers run again; every weight has its gradient."""
    program = Path(__file__).with_name("interpreted.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=True, env=environment
    )
    errors = json.loads(done.stdout)
    assert max(errors.values()) < 1e-5
    assert len([name for name in errors if ".layers.1." in name]) == 9


def wrong_gate(gate, up):
    return F.gelu(gate) * up


def test_a_wrong_operation_is_named_and_refused(monkeypatch):
    wrong = operations.PLAIN._replace(gated=wrong_gate)
    monkeypatch.setitem(choose.OPERATIONS, "liger", lambda: wrong)
    with pytest.raises(
        TrainingError, match=r"liger is wrong on cpu .* gated activation is .*torch"
    ):
        use_kernels("liger", CPU, torch.float32)


def test_kernels_that_do_not_run_here_say_what_to_take(monkeypatch):
    """Liger's are Triton's, which has no driver for CPUs."""
    with pytest.raises(
        TrainingError, match=r"liger does not run on cpu .*--set training.kernels=torch"
    ):
        use_kernels("liger", CPU, torch.float32)


@pytest.mark.parametrize(
    ("device", "dtype", "taken"),
    [
        (GPU, torch.bfloat16, "liger"),
        (GPU, torch.float32, "torch"),
        (CPU, torch.bfloat16, "torch"),
    ],
)
def test_auto_takes_liger_on_gpus_in_half_precision(monkeypatch, device, dtype, taken):
    checked = []
    monkeypatch.setattr(
        choose, "relative_errors", lambda name, *_: checked.append(name) or {"norm": 0.0}
    )
    assert use_kernels("auto", device, dtype) == taken
    assert checked == ([taken] if taken != "torch" else [])


def test_auto_is_torch_where_liger_is_missing(monkeypatch):
    monkeypatch.setattr(choose.importlib.util, "find_spec", lambda name: None)
    assert use_kernels("auto", GPU, torch.bfloat16) == "torch"


def test_fusing_changes_one_model_and_no_other(monkeypatch):
    """The name of transformers' rotation is a global of its file."""
    calls = []

    def counted(query, key, cos, sin):
        calls.append(query.shape)
        return operations.rotated(query, key, cos, sin)

    monkeypatch.setitem(
        choose.OPERATIONS, "liger", lambda: operations.PLAIN._replace(rotated=counted)
    )
    fused, other = (made_model(TINY, CPU, torch.float32).model.language_model for _ in range(2))
    before = other(inputs_embeds=torch.ones(1, 3, TINY.hidden)).last_hidden_state
    fuse(fused, "liger")
    after = fused(inputs_embeds=torch.ones(1, 3, TINY.hidden)).last_hidden_state
    assert len(calls) == TINY.layers
    assert torch.equal(before, after)
    other(inputs_embeds=torch.ones(1, 3, TINY.hidden))
    assert len(calls) == TINY.layers
    unfused(fused)
    fused(inputs_embeds=torch.ones(1, 3, TINY.hidden))
    assert len(calls) == TINY.layers


def test_the_same_operations_have_no_error():
    errors = relative_errors_of(operations.PLAIN)
    assert set(errors.values()) == {0.0}


def relative_errors_of(by):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(choose.OPERATIONS, "liger", lambda: by)
        return relative_errors("liger", CPU, torch.float32)


def test_fused_activations_by_hand():
    """In bfloat16 a norm saves 6 h bytes (its input as it came: 2 h and not 4 h, and no normalised
    input, 2 h), twice a layer, which is 4 h each; the SiLU of the gate is not kept, 2 f."""
    load = Load()
    plain, fused = (kept(LLAVA_7B, load, 2, "varlen", one) for one in (False, True))
    assert plain.layer - fused.layer == load.positions * (2 * 4 * 4096 + 2 * 11008)


@pytest.mark.parametrize(
    ("kernels", "on_cpu", "fused"),
    [("auto", False, True), ("auto", True, False), ("torch", False, False), ("liger", True, True)],
)
def test_the_plan_counts_what_auto_would_take(kernels, on_cpu, fused):
    training = training_spec(4, EVERYWHERE).model_copy(update={"kernels": kernels})
    assert Setting(training, on_cpu=on_cpu).fused is fused
